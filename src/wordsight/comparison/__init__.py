"""Several trained runs side by side on the same pictures: one table, curves, and what each said of the same picture."""
