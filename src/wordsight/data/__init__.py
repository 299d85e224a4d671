"""Datasets in the formats that people have them in -> pictures with sentences."""

from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset, Picture, hold_out

__all__ = ["Dataset", "Picture", "find", "hold_out", "load_dataset"]
