"""One's own finished images: newest first, page by page, searched."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Account
from generator import gallery
from generator.models import Generation


@pytest.fixture
def hang(account: Account) -> Callable[[int], list[Generation]]:
    """Hang many finished images of Alice's at once."""

    def hung(count: int) -> list[Generation]:
        now = timezone.now()
        rows = [
            Generation(
                account=account, prompt=f"image {number}", aspect_ratio="1:1", request_digest="", deadline_at=now,
                status="completed", file_extension="png", width=1024, height=1024, colour="#808080", finished_at=now,
            )
            for number in range(count)
        ]  # fmt: skip
        return Generation.objects.bulk_create(rows)

    return hung


def ids_on(html: str) -> list[str]:
    return re.findall(r'class="tile" id="(img_\w+)"', html)


def test_it_shows_finished_images_only(browser: Client, draw: Callable[..., Generation]) -> None:
    done = draw()
    draw(until="failed")
    draw(until="drawing")
    assert ids_on(browser.get("/gallery/").content.decode()) == [done.public_id]


def test_strangers_images_are_not_in_it(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    draw()
    html = strangers_browser.get("/gallery/").content.decode()
    assert ids_on(html) == []
    assert "Nothing on the wall yet" in html


def test_pages_follow_each_other_without_gap_or_overlap(browser: Client, hang: Callable[[int], Any]) -> None:
    newest_first = [generation.public_id for generation in reversed(hang(gallery.PAGE_SIZE * 2 + 5))]
    seen: list[str] = []
    address: str | None = "/gallery/"
    while address:
        html = browser.get(address).content.decode()
        seen += ids_on(html)
        older = re.search(r'href="(\?[^"]+)" data-more', html)
        address = f"/gallery/{older[1]}" if older else None
    assert seen == newest_first


def test_a_full_last_page_leads_nowhere(browser: Client, hang: Callable[[int], Any]) -> None:
    hang(gallery.PAGE_SIZE)
    assert "data-more>" not in browser.get("/gallery/").content.decode()


def test_search_wants_every_word_in_whatever_case(browser: Client, draw: Callable[..., Generation]) -> None:
    fox = draw("A red Fox in snow")
    draw("A red barn")
    draw("An arctic fox")
    assert ids_on(browser.get("/gallery/", {"q": "fox RED"}).content.decode()) == [fox.public_id]


def test_search_takes_percent_signs_and_quotes_literally(browser: Client, draw: Callable[..., Generation]) -> None:
    sale = draw('A sign that says "50% off"')
    draw("A lighthouse")
    assert ids_on(browser.get("/gallery/", {"q": "50%"}).content.decode()) == [sale.public_id]
    assert ids_on(browser.get("/gallery/", {"q": '"50'}).content.decode()) == [sale.public_id]


def test_search_stays_while_paging(browser: Client, hang: Callable[[int], Any]) -> None:
    hang(gallery.PAGE_SIZE + 1)
    assert re.search(r'href="\?before=img_\w+&amp;q=image"', browser.get("/gallery/?q=image").content.decode())


def test_a_search_without_result_offers_a_way_on(browser: Client, draw: Callable[..., Generation]) -> None:
    draw()
    html = browser.get("/gallery/", {"q": "<zebra>"}).content.decode()
    assert "No image has “&lt;zebra&gt;” in its prompt" in html
    assert 'href="/create/?prompt=%3Czebra%3E"' in html


@pytest.mark.parametrize(
    "query", ["?before=nonsense", "?before=%00", "?q=%00", "?before=" + "9" * 500, "?q=" + "x" * 5000]
)
def test_an_odd_address_breaks_nothing(browser: Client, draw: Callable[..., Generation], query: str) -> None:
    draw()
    assert browser.get("/gallery/" + query).status_code == 200


def test_a_strangers_image_is_no_place_to_page_from(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    assert strangers_browser.get("/gallery/", {"before": draw().public_id}).status_code == 200


def test_it_asks_the_database_as_often_for_many_images_as_for_one(
    browser: Client, hang: Callable[[int], Any], django_assert_num_queries: Any
) -> None:
    hang(1)
    with django_assert_num_queries(5):
        browser.get("/gallery/")
    hang(gallery.PAGE_SIZE)
    with django_assert_num_queries(5):
        browser.get("/gallery/")
