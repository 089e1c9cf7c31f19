"""Acts on many rows, done by a worker: previewed, confirmed, watched, paused and resumed."""
