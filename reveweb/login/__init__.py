"""Where allauth meets the rest of the site."""
