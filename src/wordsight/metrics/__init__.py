"""Metrics, as pure functions: ranking, grounding, captions, likelihood, word norms."""
