"""Reports: drawings, tables, curves, HTML pages."""
