"""What asks for somebody: what is wrong now, worst first, what the figures say, and who is told without looking."""
