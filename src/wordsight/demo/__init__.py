"""The demo: a painted world learned from nothing, then real photographs."""
