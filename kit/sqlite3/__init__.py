"""Django's SQLite with a queue: many may write at once, and nobody is told that the database is locked."""
