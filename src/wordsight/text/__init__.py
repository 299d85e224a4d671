"""Sentences -> `Words`, and words -> vectors."""
