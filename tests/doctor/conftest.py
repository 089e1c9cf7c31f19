"""A site that the doctor looks at."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kit import pulse
from reveweb.doctor.checks import processes
from tests import prepared
from tests.doctor.planting import Site


@pytest.fixture
def site(
    transactional_db: None, images: None, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Site]:
    """A healthy one: everybody was heard lately, and the static files are there."""
    prepared.collect_static()
    for name in processes.PULSES:
        pulse.beat(name)
    folder = tmp_path.with_name(f"{tmp_path.name}-own")
    folder.mkdir()
    with ExitStack() as stack:
        yield Site(settings, monkeypatch, folder, stack)
