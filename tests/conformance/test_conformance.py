"""The grid: what each call of each real client gives, against one running installation."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from reveweb.docs import conformance
from tests.conformance import grid
from tests.conformance.clients import CLIENTS, install
from tests.conformance.grid import Told
from tests.conformance.table import TABLE
from tests.installation import Stack

LEAST = 120
ROWS = [
    pytest.param(client.slug, *row, id=f"{client.slug}: {row[0]}: {row[1]}")
    for client in CLIENTS
    for row in TABLE[client.slug]
]


@pytest.fixture(scope="module")
def told(start_stack: Callable[..., Stack]) -> dict[str, Told]:
    """What all clients tell, driven at once."""
    install()
    return grid.drive(start_stack(**grid.SETTINGS))


@pytest.mark.stack
@pytest.mark.parametrize(("slug", "call", "case", "expected"), ROWS)
def test_a_call_gives_what_its_client_expects(
    told: dict[str, Told], slug: str, call: str, case: str, expected: str
) -> None:
    found = told[slug].rows.get((call, case))
    assert found == expected, told[slug].errors


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_each_client_is_the_one_that_is_pinned_and_tells_no_row_more(told: dict[str, Told], client: Any) -> None:
    assert told[client.slug].version == (client.version or told[client.slug].version) != ""
    assert sorted(told[client.slug].rows) == sorted((call, case) for call, case, _ in TABLE[client.slug])


def test_the_documentation_shows_these_rows_and_no_others() -> None:
    """`make conformance` writes them, and only where all are right: a page cannot claim what no row shows."""
    shown = json.loads(conformance.RESULTS.read_text())
    assert [(one["name"], [tuple(row.values()) for row in one["rows"]]) for one in shown] == [
        (client.name, TABLE[client.slug]) for client in CLIENTS
    ]
    pinned = {client.name: client.version for client in CLIENTS if client.version}
    assert {one["name"]: one["version"] for one in shown if one["name"] in pinned} == pinned


def test_the_grid_is_as_large_as_it_was_promised() -> None:
    assert len(ROWS) >= LEAST
    assert len({row.id for row in ROWS}) == len(ROWS)
