"""Situations from captions: rules read verbs, roles and nouns from the five sentences about each picture."""
