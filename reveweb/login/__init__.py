"""Where allauth meets the house."""
