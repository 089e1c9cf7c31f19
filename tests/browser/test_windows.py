"""What the tests themselves rely on: a browser that was used tells the next test nothing of the one before."""

import pytest

from tests.browser.conftest import Windows

pytestmark = pytest.mark.stack


def test_an_installed_clock_ends_with_its_test(windows: Windows) -> None:
    kept = windows.open(phone=False, js=True, fresh=False)
    changed = windows.open(phone=False, js=True, fresh=False)
    page = changed.new_page()
    page.clock.install()
    page.goto("/pricing/")
    page.clock.fast_forward(1)
    windows.give_back(changed, phone=False, js=True)
    windows.give_back(kept, phone=False, js=True)
    again = [windows.open(phone=False, js=True, fresh=False) for _ in range(2)]
    assert kept in again
    assert changed not in again
    for context in again:
        windows.give_back(context, phone=False, js=True)
