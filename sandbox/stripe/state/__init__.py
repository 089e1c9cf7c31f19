"""What the stand-in remembers: one SQLite file and the simulated clock."""
