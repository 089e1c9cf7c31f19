"""What the studio's wall shows of a generation, to its owner only."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from billing.models import Wallet
from generator.models import Generation
from generator.pages.cards import picture_of


def wall(browser: Client) -> str:
    response = browser.get("/create/wall/")
    assert response.status_code == 200
    return response.content.decode()


def test_a_finished_one_has_its_image_with_its_size(browser: Client, draw: Callable[..., Generation]) -> None:
    generation = draw(aspect_ratio="3:2")
    html = wall(browser)
    assert f'<a class="frame tile-link" href="/gallery/{generation.public_id}/">' in html
    assert f'href="/gallery/{generation.public_id}/download/"' in html
    assert f'action="/gallery/{generation.public_id}/favourite/"' in html
    assert re.search(r'width="1536" height="1024" alt="a lighthouse"', html)
    assert f"/images/{generation.file_token}_480.webp 480w, /images/{generation.file_token}_960.webp 960w" in html
    assert 'fill="#a1b2c3"' in html
    assert "data-pending" not in html


@pytest.mark.parametrize(("until", "words"), [("queued", "Queued"), ("drawing", "Drawing")])
def test_an_unfinished_one_tells_how_far_it_is(
    browser: Client, draw: Callable[..., Generation], until: str, words: str
) -> None:
    draw(until=until)
    html = wall(browser)
    assert words in html
    assert "data-pending" in html
    assert "<progress" in html


def test_what_only_waits_claims_no_progress(browser: Client, draw: Callable[..., Generation]) -> None:
    draw(until="queued")
    html = wall(browser)
    assert "Waiting for" in html
    assert re.search(r"<progress [^>]*>", html)
    assert not re.search(r"<progress [^>]*value=", html)


def test_the_time_of_drawing_begins_with_the_drawing(browser: Client, draw: Callable[..., Generation]) -> None:
    drawing = draw(until="drawing")
    asked = drawing.created_at - timedelta(seconds=60)
    Generation.objects.filter(pk=drawing.pk).update(created_at=asked)
    elapsed = re.search(r'data-elapsed="([\d.]+)"', wall(browser))
    assert elapsed
    assert float(elapsed[1]) < 30


def test_a_first_image_may_be_fetched_large(browser: Client, draw: Callable[..., Generation]) -> None:
    draw()
    assert "840px" in wall(browser)
    draw()
    assert "840px" not in wall(browser)


def test_a_failed_one_says_why_and_that_the_credit_came_back(browser: Client, draw: Callable[..., Generation]) -> None:
    failed = draw(until="failed")
    html = wall(browser)
    assert "The brush broke. Your credit was returned." in html
    assert re.search(rf'href="/create/\?from={failed.public_id}" data-retry>.*?Retry', html, re.DOTALL)
    assert "Edit the prompt" not in html


def test_a_refused_one_offers_other_words_and_no_retry(browser: Client, draw: Callable[..., Generation]) -> None:
    refused = draw(until="refused")
    html = wall(browser)
    assert "The brush will not. Your credit was returned." in html
    link = rf'href="/create/\?from={refused.public_id}" data-refill>.*?Edit the prompt'
    assert re.search(link, html, re.DOTALL)
    assert "Retry" not in html


SCRIPT = {"Accept": "application/json"}


def test_what_waits_is_cancelled_with_a_button(
    browser: Client, draw: Callable[..., Generation], wallet: Wallet
) -> None:
    waiting = draw(until="queued")
    action = f"/gallery/{waiting.public_id}/cancel/"
    assert f'action="{action}"' in wall(browser)
    said = browser.post(action, headers=SCRIPT).json()
    assert (said["cancelled"], said["balance"]) == (True, 53)
    assert 'data-status="failed" data-cancelled' in said["html"]
    assert "You cancelled it. Your credit was returned." in said["html"]
    assert "data-retry" in said["html"]
    page = browser.get(f"/gallery/{waiting.public_id}/").content.decode()
    assert "This image was cancelled" in page
    assert ">Cancelled<" in page.replace("\n", "")


@pytest.mark.parametrize("until", ["submitting", "drawing"])
def test_what_is_being_made_says_that_it_will_be_charged(
    browser: Client, draw: Callable[..., Generation], until: str
) -> None:
    made = draw(until=until)
    html = wall(browser)
    assert "/cancel/" not in html
    assert "Too late to cancel" in html
    assert "it will be finished and charged" in html
    said = browser.post(f"/gallery/{made.public_id}/cancel/", headers=SCRIPT).json()
    assert (said["cancelled"], said["balance"]) == (False, 52)
    assert "Too late to cancel" in said["html"]


@pytest.mark.parametrize(("until", "words"), [("queued", "The image is cancelled."), ("drawing", "It was too late")])
def test_without_a_script_cancelling_leads_back_to_the_studio(
    browser: Client, draw: Callable[..., Generation], until: str, words: str
) -> None:
    answer = browser.post(f"/gallery/{draw(until=until)}/cancel/", follow=True)
    assert answer.redirect_chain == [("/create/", 302)]
    assert words in answer.content.decode()


def test_nobody_cancels_somebody_elses(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    waiting = draw(until="queued")
    assert strangers_browser.post(f"/gallery/{waiting}/cancel/").status_code == 404
    assert strangers_browser.get(f"/gallery/{waiting}/cancel/").status_code == 302  # to the page above it
    waiting.refresh_from_db()
    assert waiting.status == "queued"


def test_words_of_any_length_and_direction_keep_to_their_place(
    browser: Client, draw: Callable[..., Generation]
) -> None:
    draw("מגדלור " * 500)
    html = wall(browser)
    assert '<p class="group-prompt" dir="auto"' in html
    shown = re.search(r'<p class="group-prompt".*?>(.*?)</p>', html)
    assert shown
    assert len(shown[1]) <= 200


def test_it_is_not_there_for_a_stranger(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    assert draw().public_id not in wall(strangers_browser)


def test_somebody_logged_out_sees_no_wall(client: Client, db: None) -> None:
    assert client.get("/create/wall/").status_code == 302


def test_the_wall_tells_the_balance_and_is_not_stored(browser: Client, draw: Callable[..., Generation]) -> None:
    draw()
    response = browser.get("/create/wall/")
    assert response["X-Credits-Remaining"] == "52"
    assert "no-store" in response["Cache-Control"]


def test_the_wall_costs_the_same_for_many_images_as_for_one(
    browser: Client, draw: Callable[..., Generation], django_assert_num_queries: Any
) -> None:
    for more in (1, 8):
        for _ in range(more):
            draw()
        with django_assert_num_queries(4):
            wall(browser)


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
