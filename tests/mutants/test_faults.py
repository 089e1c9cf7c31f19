"""The list of planted faults fits the source as it is now; `make mutants` plants them."""

from collections import Counter

import pytest

from tests.mutants.faults import BadlyPlanted, Fault, check, load

FAULTS = load()


def fault(**changes: object) -> Fault:
    """A fault that fits, but for `changes`."""
    fits = {
        "name": "nobody-is-public",
        "cost": "No image is fetched.",
        "path": "kit/http/addresses.py",
        "old": "return ip.is_global and not ip.is_multicast",
        "new": "return False",
        "tests": ("tests/generator/test_network.py::test_public_addresses_are_public",),
    }
    return Fault(**{**fits, **changes})  # type: ignore[arg-type]  # each test says what is odd about its own


def test_each_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(one.name for one in FAULTS).items() if count > 1] == []


def test_each_can_be_planted_and_its_tests_are_there() -> None:
    misfits = []
    for one in FAULTS:
        try:
            check(one)
        except BadlyPlanted as error:
            misfits.append(f"{one.name}: {error}")
    assert misfits == []


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "generator/no_such_file.py"},
        {"old": "no such text"},
        {"old": "return"},  # there more than once
        {"new": "return ip.is_global and not (ip.is_multicast)"},
        {"new": "return ("},
        {"tests": ()},
        {"tests": ("tests/generator/test_network.py::test_of_nothing",)},
        {"tests": ("tests/generator/test_nothing.py::test_public_addresses_are_public",)},
    ],
)
def test_what_says_nothing_about_the_tests_is_refused(changes: dict[str, object]) -> None:
    check(fault())
    with pytest.raises(BadlyPlanted):
        check(fault(**changes))
