"""No thread holds a connection to the database while it waits for storage, which may be on another machine."""

import pytest
from django.core.files.storage import FileSystemStorage

from generator.models import Generation
from reveweb.personal import jobs
from reveweb.personal.tasks import WORK
from tests.account.conftest import Draw
from tests.waiting import Waits


@pytest.mark.services
def test_an_export_and_a_deletion_hold_none(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    user = draw().wallet.user
    draw("a second")
    waits = Waits()
    for name in ("_open", "_save", "delete"):
        monkeypatch.setattr(FileSystemStorage, name, waits(getattr(FileSystemStorage, name)))
    assert jobs.run(jobs.start_export(user).pk, WORK)
    assert waits.calls == 3
    assert jobs.run(jobs.start_deletion(user).pk, WORK)
    assert Generation.objects.filter(purged_at=None).count() == 0
    assert waits.with_connection == []
