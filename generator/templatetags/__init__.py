"""Tags of the generator."""
