"""How good is it? Ranking, grounding, the lengths of words, and a page to look at."""
