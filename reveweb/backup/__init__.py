"""A backup: one archive with a copy of the database, and the images that its rows name, made while the site runs."""
