"""Painted world, a synthetic dataset: pictures of coloured shapes with true sentences about them."""
