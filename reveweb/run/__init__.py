"""What `manage.py run` makes for itself."""
