"""Django's backend for PostgreSQL, which lends no connection that the server has ended meanwhile."""
