"""A trained model measured on a dataset: retrieval and grounding, captions, ranking by likelihood."""
