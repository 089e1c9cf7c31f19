"""One generation as a fragment, for its owner only."""

import re
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.test import Client

from generator.cards import picture_of
from generator.models import Generation


def card(browser: Client, generation: Generation) -> str:
    response = browser.get(f"/create/generations/{generation.public_id}/")
    assert response.status_code == 200
    return response.content.decode()


def test_a_finished_one_has_its_image_with_its_size(browser: Client, draw: Callable[..., Generation]) -> None:
    generation = draw(aspect_ratio="3:2")
    html = card(browser, generation)
    assert f'href="/images/{generation.file_token}.png"' in html
    assert re.search(r'width="1536" height="1024" alt="a lighthouse"', html)
    assert f"/images/{generation.file_token}_480.webp 480w, /images/{generation.file_token}_960.webp 960w" in html
    assert 'fill="#a1b2c3"' in html
    assert "data-pending" not in html


@pytest.mark.parametrize(("until", "words"), [("queued", "Queued"), ("drawing", "Drawing")])
def test_an_unfinished_one_tells_how_far_it_is(
    browser: Client, draw: Callable[..., Generation], until: str, words: str
) -> None:
    html = card(browser, draw(until=until))
    assert words in html
    assert "data-pending" in html
    assert "<progress" in html


def test_a_failed_one_says_why_and_that_the_credit_came_back(browser: Client, draw: Callable[..., Generation]) -> None:
    html = card(browser, draw(until="failed"))
    assert "The brush broke. Your credit came back." in html
    assert "Retry" in html


def test_it_is_not_there_for_a_stranger(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    assert strangers_browser.get(f"/create/generations/{draw().public_id}/").status_code == 404


def test_it_tells_the_balance_and_is_not_stored(browser: Client, draw: Callable[..., Generation]) -> None:
    response = browser.get(f"/create/generations/{draw().public_id}/")
    assert response["X-Credits-Remaining"] == "52"
    assert "no-store" in response["Cache-Control"]


def test_a_tall_images_thumbnails_have_their_true_widths() -> None:
    tall = Generation(file_token="t" * 32, file_extension="png", width=1024, height=1536)
    assert picture_of(tall).srcset == f"/images/{'t' * 32}_480.webp 320w, /images/{'t' * 32}_960.webp 640w"


def test_a_small_images_thumbnails_are_no_larger_than_it_is() -> None:
    small = Generation(file_token="t" * 32, file_extension="png", width=600, height=600)
    assert picture_of(small).srcset.endswith("_960.webp 600w")


def test_images_come_from_the_cdn_where_there_is_one(settings: LazySettings) -> None:
    settings.IMAGE_BASE_URL = "https://cdn.example.com"
    image = Generation(file_token="t" * 32, file_extension="jpg", width=800, height=600)
    assert picture_of(image).src == f"https://cdn.example.com/images/{'t' * 32}_480.webp"
