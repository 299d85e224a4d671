"""Vector databases: write an index into one (`export.py`), and search it there (`find.py`)."""
