"""The map of rooms to tests has every room and every test in it."""

import subprocess

import pytest

from tests import ROOT, rooms

APPS = {"accounts", "billing", "generator", "reveweb", "sandbox", "kit"}


def tracked(*patterns: str) -> list[str]:
    listing = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return listing.stdout.split()


def test_every_test_that_is_named_exists() -> None:
    named = {test for tests in rooms.ROOMS.values() for test in tests.split()}
    assert {test for test in named if not (ROOT / test).exists()} == set()


def test_every_test_belongs_to_a_room() -> None:
    reached = {test for tests in rooms.ROOMS.values() for test in tests.split()} - {rooms.EVERYTHING}
    elsewhere = (
        "tests/browser/",
        "tests/chaos/",
        "tests/conformance/",
        "tests/stack/",
    )  # where the whole product runs, which every room is part of
    files = [path for path in tracked("tests/**/test_*.py") if not path.startswith(elsewhere)]
    assert len(files) > 50
    assert [path for path in files if not any(path == test or path.startswith(f"{test}/") for test in reached)] == []


@pytest.mark.parametrize("app", sorted(APPS))
def test_every_app_is_a_room(app: str) -> None:
    assert app in rooms.ROOMS


def test_the_innermost_room_counts() -> None:
    assert rooms.of_change(["billing/outbox/mail.py"]) == sorted(rooms.ROOMS["billing/outbox"].split())
    assert rooms.of_change(["reveweb/docs/pages/generate.md"]) == ["tests/docs", "tests/pages/test_docs.py"]


def test_what_lies_in_no_room_touches_everything() -> None:
    assert rooms.of_change(["pyproject.toml", "accounts/keys.py"]) == ["tests"]


def test_a_changed_test_is_run_itself_and_what_others_share_runs_them_all() -> None:
    assert rooms.of_change(["tests/billing/test_refund.py"]) == ["tests/billing/test_refund.py"]
    assert rooms.of_change(["tests/billing/books.py", "tests/billing/test_refund.py"]) == ["tests/billing"]
    assert rooms.of_change(["tests/conftest.py"]) == ["tests"]
    assert rooms.of_change(["tests/billing/test_that_is_gone.py"]) == []


def test_a_room_has_the_tests_of_what_lies_in_it() -> None:
    assert "tests/payments" in rooms.of_room("billing")
    assert rooms.of_room("billing/outbox/") == sorted(rooms.ROOMS["billing/outbox"].split())
    with pytest.raises(KeyError):
        rooms.of_room("attic")
