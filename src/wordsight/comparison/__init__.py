"""Comparison of trained runs on the same pictures: tables, curves, and outputs side by side."""
