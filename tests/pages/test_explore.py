"""Explore: only what its owners show, and what staff leave there."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from billing.models import AuditRecord
from generator.files import images
from generator.library import sharing, showcase, trash
from generator.models import Generation
from tests.pages.test_frame import assert_well_made

PAGE = "/explore/"
ADMIN = "/admin/generator/generation/"

Show = Callable[..., Generation]


@pytest.fixture(autouse=True)
def _explore_is_on(settings: Any) -> None:
    settings.EXPLORE = True


@pytest.fixture
def show(draw: Callable[..., Generation]) -> Show:
    """Draw an image of Alice's and show it on Explore."""

    def shown(prompt: str = "a lighthouse", **fields: Any) -> Generation:
        generation = draw(prompt, **fields)
        sharing.share(generation)
        sharing.show_on_explore(generation, listed=True)
        return generation

    return shown


def prompts(html: str) -> list[str]:
    return re.findall(r'<img [^>]*alt="([^"]*)"', html)


def test_it_is_not_there_unless_the_operator_wants_it(client: Client, show: Show, settings: Any) -> None:
    show()
    settings.EXPLORE = False
    assert client.get(PAGE).status_code == 404
    assert 'href="/explore/"' not in client.get("/").content.decode()


def test_only_images_that_are_listed_shared_finished_and_kept_are_on_it(
    client: Client, show: Show, draw: Callable[..., Generation], wallet: Any
) -> None:
    show("shown")
    draw("private")
    sharing.share(draw("by link only"))
    unshared = show("no longer shared")
    sharing.unshare(unshared)
    Generation.objects.filter(pk=show("not finished").pk).update(status="drawing")
    trash.discard(wallet, [show("trashed away").public_id])
    assert prompts(client.get(PAGE).content.decode()) == ["shown"]


def test_a_tile_leads_to_the_public_page_and_says_nothing_of_its_owner(client: Client, show: Show) -> None:
    generation = show()
    html = client.get(PAGE).content.decode()
    assert_well_made(html)
    assert f'href="/s/{generation.share_token}/"' in html
    assert generation.public_id not in html
    assert "alice" not in html
    assert client.get(f"/s/{generation.share_token}/").status_code == 200


def test_thumbnails_are_explores_own_and_the_first_row_aside_come_when_they_are_near(
    client: Client, show: Show
) -> None:
    for _ in range(10):
        generation = show()
    html = client.get(PAGE).content.decode()
    assert f"{picture_of(generation, 480)} 480w, {picture_of(generation, 960)} 960w" in html
    assert generation.file_token not in html
    assert html.count("<img ") == 10
    assert html.count('loading="lazy"') == 2


@pytest.mark.usefixtures("images")
def test_thumbnails_end_when_the_image_leaves_explore(client: Client, show: Show, sam: User, settings: Any) -> None:
    for leave in (
        lambda image: sharing.show_on_explore(image, listed=False),
        lambda image: showcase.take_off(actor=sam, generations=[image], reason="Not for everybody"),
        sharing.unshare,
        lambda image: trash.discard(image.wallet, [image.public_id]),
        lambda image: User.objects.filter(pk=image.wallet.user_id).update(is_active=False),
    ):
        generation = show()
        default_storage.save(images.thumbnail_name(generation.file_token, 480), ContentFile(b"a thumbnail"))
        path = picture_of(generation, 480)
        response = client.get(path)
        assert response.content == b"a thumbnail"
        assert response["Cache-Control"] == "private, max-age=300, must-revalidate"
        leave(generation)
        assert client.get(path, headers={"If-None-Match": response["ETag"]}).status_code == 404
    User.objects.update(is_active=True)
    path = picture_of(show(), 480)
    settings.EXPLORE = False
    assert client.get(path).status_code == 404


@pytest.mark.usefixtures("images")
def test_explore_has_no_address_of_the_whole_file(client: Client, show: Show) -> None:
    generation = show()
    default_storage.save(images.path_of(generation.file_name), ContentFile(b"the image"))
    assert client.get(f"/shared/{generation.share_token}/image.png").status_code == 200
    assert client.get(f"/shared/{generation.share_token}/explore/image.png").status_code == 404


def picture_of(generation: Generation, side: int) -> str:
    return f"/shared/{generation.share_token}/explore/{side}.webp"


def test_what_a_suspended_account_showed_is_hidden(client: Client, show: Show, alice: User) -> None:
    show()
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert prompts(client.get(PAGE).content.decode()) == []


def test_pages_follow_one_another_without_gap_or_repetition(
    client: Client, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showcase, "PAGE_SIZE", 2)
    for number in range(5):
        show(f"picture {number}")
    seen, path = [], PAGE
    while path:
        html = client.get(path).content.decode()
        seen += prompts(html)
        next = re.search(r'rel="next" href="([^"]+)"', html)
        path = PAGE + next[1] if next else ""
    assert seen == [f"picture {number}" for number in (4, 3, 2, 1, 0)]


def test_a_page_goes_on_behind_an_image_that_was_taken_off_meanwhile(
    client: Client, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showcase, "PAGE_SIZE", 1)
    show("older")
    newer = show("newer")
    next = re.search(r'rel="next" href="([^"]+)"', client.get(PAGE).content.decode())
    assert next
    sharing.unshare(newer)
    assert prompts(client.get(PAGE + next[1]).content.decode()) == ["older"]


@pytest.mark.parametrize("before", ["img_unknown", "%00", "x" * 10_000, "9" * 40])
def test_nonsense_begins_at_the_newest(client: Client, show: Show, before: str) -> None:
    show("newest")
    assert prompts(client.get(f"{PAGE}?before={before}").content.decode()) == ["newest"]


def test_it_takes_two_queries_however_much_is_shown(client: Client, show: Show) -> None:
    first = show()
    for _ in range(4):
        show()
    with CaptureQueriesContext(connection) as asked:
        client.get(f"{PAGE}?before={first.public_id}")
    assert len(asked) <= 2


def test_an_empty_explore_says_how_to_fill_it(client: Client, db: None) -> None:
    assert "Nothing is on show yet" in client.get(PAGE).content.decode()


def test_staff_take_an_image_off_for_good_and_leave_a_record(client: Client, show: Show, sam: User) -> None:
    generation = show()
    client.force_login(sam)
    form = {"action": "take_off_explore", "_selected_action": [generation.pk]}
    asked = client.post(ADMIN, form)
    assert "Take 1 image off Explore" in asked.content.decode()
    assert prompts(Client().get(PAGE).content.decode()) == ["a lighthouse"]
    client.post(ADMIN, {**form, "confirmed": "1", "reason": "Shows somebody who asked us to"})
    assert prompts(Client().get(PAGE).content.decode()) == []
    record = AuditRecord.objects.get(action="Took an image off Explore")
    assert (record.actor, record.wallet, record.reason) == (sam, generation.wallet, "Shows somebody who asked us to")
    assert record.after == {"image": generation.public_id, "listed": False}
    assert client.get(f"/s/{generation.share_token}/").status_code == 200
    sharing.show_on_explore(generation, listed=True)
    assert prompts(Client().get(PAGE).content.decode()) == []


def test_its_owner_is_told_that_it_was_taken_off(browser: Client, show: Show, sam: User) -> None:
    generation = show()
    showcase.take_off(actor=sam, generations=[generation], reason="Not for everybody")
    answer = browser.post(f"/gallery/{generation.public_id}/share/", {"listed": "1"}, headers={"HX-Request": "true"})
    assert "taken off Explore" in answer.content.decode()


def test_no_reason_or_no_permission_changes_nothing(client: Client, show: Show, sam: User, alice: User) -> None:
    generation = show()
    with pytest.raises(ValueError, match="reason"):
        showcase.take_off(actor=sam, generations=[generation], reason=" ")
    with pytest.raises(PermissionDenied):
        showcase.take_off(actor=alice, generations=[generation], reason="Mine")
    generation.refresh_from_db()
    assert generation.is_listed
    assert not AuditRecord.objects.filter(action="Took an image off Explore").exists()
