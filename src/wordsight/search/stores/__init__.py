"""Vector databases: an index written into one (`export.py`), and searched there (`find.py`)."""
