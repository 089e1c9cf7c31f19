"""Times on pages are a `<time>`, which the page's script turns into its reader's own."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts import keys
from accounts.models import User
from generator.models import Generation
from kit.moments import moment

Draw = Callable[..., Generation]

APART = ("email/", "account/email/")  # which no script reads
CLOCK = re.compile(r"\d\d:\d\d")


def test_a_moment_is_said_in_utc_whatever_its_zone() -> None:
    at = datetime(2026, 11, 27, 1, 30, 5, tzinfo=timezone(timedelta(hours=3)))
    assert moment(at) == ('<time datetime="2026-11-26T22:30:05Z" data-moment="ago">26 November 2026, 22:30 UTC</time>')
    assert "22:30:05 UTC" in moment(at, "seconds")
    assert moment(None) == ""


def test_no_template_says_a_time_of_day_by_itself() -> None:
    root = Path(settings.BASE_DIR) / "templates"
    pages = [path for path in root.rglob("*.html") if not str(path.relative_to(root)).startswith(APART)]
    assert len(pages) > 90
    by_itself = re.compile(r"""\|(?:date|time):["'][^"']*[GHgh]:?i""")
    assert [str(path) for path in pages if by_itself.search(path.read_text())] == []


@pytest.mark.parametrize(
    "address",
    ["/dashboard/", "/dashboard/api-keys/", "/dashboard/billing/", "/account/security/", "/gallery/", "image"],
)
def test_every_time_of_day_on_a_page_is_one(browser: Client, draw: Draw, alice: User, address: str) -> None:
    keys.mint(user=alice, name="shop", expires_at=datetime(2027, 1, 2, 3, 4, tzinfo=UTC))
    trashed = draw()
    generation = draw()
    browser.post("/gallery/delete/", {"ids": trashed.public_id})
    page = browser.get(f"/gallery/{generation}/" if address == "image" else address, follow=True)
    assert page.status_code == 200
    html = page.content.decode().split("<main", 1)[1].split("</main", 1)[0]
    without = re.sub(r"<time .*?</time>|<code.*?</code>|<[^>]*>", " ", html, flags=re.DOTALL)
    assert CLOCK.findall(without) == []
    if address in ("image", "/gallery/", "/dashboard/api-keys/"):
        assert "data-moment=" in html
