"""Datasets in the formats that people have them in -> pictures with sentences."""
