"""Names that came from here before; the fixtures are a plugin's, so that all folders share one installation."""

from tests.installation import Stack, wait_until

__all__ = ["Stack", "wait_until"]
