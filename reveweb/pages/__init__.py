"""Pages that need what several apps know."""
