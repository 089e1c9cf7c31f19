"""The request log as the tests look at it: written at once, in this thread."""

from collections.abc import Callable

import pytest

from generator.calls.writing import BUFFER, write
from generator.models import ApiCall
from tests.api.conftest import serve as serve
from tests.pages.conftest import browser as browser

Logged = Callable[[], list[ApiCall]]


@pytest.fixture
def logged() -> Logged:
    """Write what was noted so far, and return the log, oldest first."""

    def written() -> list[ApiCall]:
        while calls := BUFFER.taken(everything=True):
            write(calls)
        return list(ApiCall.objects.order_by("created_at", "pk"))

    return written
