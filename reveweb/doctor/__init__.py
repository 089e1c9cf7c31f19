"""What is wrong with this installation and what mends it: `manage.py doctor`, and the same as a page of the admin."""
