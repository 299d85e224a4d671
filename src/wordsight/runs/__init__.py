"""A trained run: its recipe and checkpoint, its features, and the models ready to use."""
