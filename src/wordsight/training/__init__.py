"""From a recipe to a checkpoint: `recipe` says what, `trainer` does it, `checkpoint` keeps it."""
