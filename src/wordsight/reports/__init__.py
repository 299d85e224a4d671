"""What was measured, to look at: drawings, tables, curves, pages."""
