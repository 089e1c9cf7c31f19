"""A whole running installation for the documentation's samples to talk to."""

from tests.stack.conftest import start_stack

__all__ = ["start_stack"]
