"""Situations made of captions: verbs, roles and nouns read from five sentences about each picture, by rules."""
