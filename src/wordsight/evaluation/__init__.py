"""Evaluation of a trained model on a dataset: retrieval, grounding, captions, ranking by likelihood."""
