"""Welcome credits that cannot be farmed: who does not get them, what is told of it, and how many that were."""
