"""A prepared installation for a whole module, and the moment at which it was stopped."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.installations import prepared
from tests.installations.prepared import Installation


@pytest.fixture(scope="module")
def installation(
    request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The installation that the module names as this fixture's parameter, migrated."""
    folder = tmp_path_factory.mktemp("installation")
    with django_db_blocker.unblock(), prepared.migrated(request.param, folder) as installation:
        yield installation


@pytest.fixture
def moment(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """It is the moment at which the installation was stopped, and what a test changes there is undone."""
    at = datetime.fromisoformat(installation.facts["at"])
    monkeypatch.setattr(timezone, "now", lambda: at)
    block = transaction.atomic()
    vars(block)["_from_testcase"] = True  # as in Django's own: what is tested may wait for others within it
    with block:
        yield at
        transaction.set_rollback(True)
