"""What a developer's `make` calls beside the tests: pins, releases."""
