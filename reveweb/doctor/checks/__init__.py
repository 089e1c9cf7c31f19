"""The checks themselves, a module for each concern. What one needs of a server it asks that server now."""
