"""What runs: the pieces that `manage.py run` makes for itself, and what its processes are made of."""
