"""The protocols of those who draw."""
