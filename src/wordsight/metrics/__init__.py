"""Figures of quality, as pure functions: ranking, grounding, captions, likelihood, the lengths of words."""
