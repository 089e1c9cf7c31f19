"""Throwing images away, taking them back, and what is left in the end."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.ledger import statement
from billing.models import CreditEntry, Wallet
from generator.files import images
from generator.jobs import tasks
from generator.library import trash
from generator.models import Generation
from tests.conftest import Api

Draw = Callable[..., Generation]


@pytest.fixture
def stored(draw: Draw, images: None) -> Callable[..., Generation]:
    """Draw an image whose files lie in storage."""

    def make(**fields: Any) -> Generation:
        generation = draw(**fields)
        store_files(generation)
        return generation

    return make


def store_files(generation: Generation) -> None:
    for path in file_paths(generation):
        default_storage.save(path, ContentFile(b"bytes"))


def file_paths(generation: Generation) -> list[str]:
    thumbnails = [images.thumbnail_name(generation.file_token, side) for side in images.THUMBNAIL_SIDES]
    return [images.path_of(generation.file_name), *thumbnails]


def age(generation: Generation, by: timedelta) -> None:
    """Let it have been thrown away `by` ago."""
    Generation.objects.filter(pk=generation.pk).update(deleted_at=timezone.now() - by)


def delete(client: Client, *generations: Generation | str, **headers: str) -> Any:
    return client.post("/gallery/delete/", {"ids": [str(one) for one in generations]}, headers=headers)


def restore(client: Client, *generations: Generation | str, **headers: str) -> Any:
    return client.post("/gallery/restore/", {"ids": [str(one) for one in generations]}, headers=headers)


# --- Throwing away ----------------------------------------------------------------------------------------------


def test_a_deleted_image_is_shown_nowhere(browser: Client, draw: Draw, api: Api) -> None:
    generation, kept = draw("a red fox"), draw("a blue door")
    assert delete(browser, generation)["Location"] == "/gallery/"
    assert browser.get(f"/gallery/{generation}/").status_code == 404
    assert browser.get(f"/gallery/{generation}/download/").status_code == 404
    assert "a red fox" not in browser.get("/create/").content.decode()
    gallery = browser.get("/gallery/").content.decode()
    assert "a red fox" not in gallery
    assert "a blue door" in gallery
    assert api.get(f"/v1/reve-image/status/{generation}").status_code == 404
    assert api.get(f"/v1/reve-image/status/{kept}").status_code == 200


def test_one_form_deletes_many(browser: Client, draw: Draw) -> None:
    generations = [draw() for _ in range(3)]
    delete(browser, *generations)
    assert Generation.objects.kept().count() == 0
    assert len({one.deleted_at for one in Generation.objects.all()}) == 1


def test_the_ids_may_come_in_one_field(browser: Client, draw: Draw) -> None:
    browser.post("/gallery/delete/", {"ids": f"{draw()},{draw()}"})
    assert Generation.objects.kept().count() == 0


def test_a_failed_image_can_be_deleted(browser: Client, draw: Draw) -> None:
    delete(browser, draw(until="failed"))
    assert Generation.objects.kept().count() == 0


@pytest.mark.parametrize("until", ["queued", "drawing"])
def test_what_is_still_being_drawn_cannot_be_deleted(browser: Client, draw: Draw, until: str) -> None:
    generation = draw(until=until)
    response = browser.post("/gallery/delete/", {"ids": [str(generation)]}, follow=True)
    assert "still being drawn can’t be deleted" in response.content.decode().replace("&#x27;", "’")
    assert Generation.objects.kept().count() == 1


def test_what_is_done_is_deleted_beside_what_is_not(browser: Client, draw: Draw) -> None:
    done, drawing = draw(), draw(until="drawing")
    html = delete(browser, done, drawing, **{"HX-Request": "true"}).content.decode()
    assert "Image deleted." in html
    assert "still being drawn" in html
    assert [str(one) for one in Generation.objects.kept()] == [str(drawing)]


def test_deleting_twice_is_deleting_once(browser: Client, draw: Draw) -> None:
    generation = draw()
    delete(browser, generation)
    first = Generation.objects.get().deleted_at
    assert delete(browser, generation).status_code == 302
    assert Generation.objects.get().deleted_at == first


def test_a_stranger_deletes_and_restores_nothing(strangers_browser: Client, browser: Client, draw: Draw) -> None:
    generation = draw()
    assert delete(strangers_browser, generation).status_code == 404
    assert Generation.objects.kept().count() == 1
    delete(browser, generation)
    assert restore(strangers_browser, generation).status_code == 404
    assert Generation.objects.kept().count() == 0


def test_a_strangers_image_among_ones_own_is_left_alone(wallet: Wallet, bob: User, draw: Draw) -> None:
    generation = draw()
    bobs = ledger.wallet_of(bob.pk)
    Generation.objects.filter(pk=draw().pk).update(wallet=bobs)
    own = Generation.objects.get(wallet=bobs)
    assert trash.discard(bobs, [str(own), str(generation)]) == 1
    trash.discard(wallet, [str(generation)])
    assert trash.restore(bobs, [str(own), str(generation)]) == 1
    assert list(Generation.objects.kept()) == [own]


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [""],
        ["img_\x00"],
        ["img_" + "a" * 10_000],
        ["' OR 1=1"],
        ["img_a,"],
        [f"img_{number}" for number in range(10_000)],
        [",".join(f"img_{number}" for number in range(10_000))],
    ],
    ids=["none", "empty", "NUL", "long", "SQL", "comma", "10,000 fields", "10,000 in one"],
)
def test_odd_ids_are_refused_and_nothing_happens(browser: Client, draw: Draw, ids: list[str]) -> None:
    draw()
    for address in ("/gallery/delete/", "/gallery/restore/"):
        assert browser.post(address, {"ids": ids}).status_code == 400
    assert Generation.objects.kept().count() == 1


def test_as_many_as_allowed_are_deleted_at_once(browser: Client, draw: Draw, wallet: Wallet) -> None:
    model = draw()
    more = [
        Generation(wallet=wallet, prompt="x", status="completed", request_digest="", deadline_at=model.deadline_at)
        for _ in range(trash.MOST_AT_ONCE)
    ]
    ids = ",".join(str(one) for one in Generation.objects.bulk_create(more))
    browser.post("/gallery/delete/", {"ids": ids})
    assert Generation.objects.kept().count() == 1
    browser.post("/gallery/restore/", {"ids": ids})
    assert Generation.objects.kept().count() == trash.MOST_AT_ONCE + 1


@pytest.mark.parametrize("address", ["/gallery/delete/", "/gallery/restore/"])
def test_whose_session_ended_logs_in_and_comes_back_to_the_page(client: Client, db: None, address: str) -> None:
    response = client.post(address, {"ids": "img_1"}, headers={"Referer": "http://testserver/gallery/?q=fox"})
    assert response.status_code == 302
    assert unquote(unquote(response["Location"])).endswith("?next=/account/pressed/?back=/gallery/?q=fox")
    script = client.post(address, {"ids": "img_1"}, headers={"HX-Request": "true"})
    assert unquote(unquote(script["HX-Redirect"])).endswith(f"?next=/account/pressed/?back={address}")
    assert client.get(address)["Location"] == "/gallery/"


# --- Taking back ------------------------------------------------------------------------------------------------


def test_a_deleted_image_comes_back_as_it_was(browser: Client, draw: Draw) -> None:
    generation = draw("a red fox")
    Generation.objects.update(is_favourite=True, share_token="s" * 22, is_listed=True)
    delete(browser, generation)
    restore(browser, generation)
    back = Generation.objects.kept().get()
    assert (back.is_favourite, back.share_token, back.is_listed) == (True, "s" * 22, True)
    assert "a red fox" in browser.get("/gallery/").content.decode()


def test_the_notice_offers_what_went_last_and_only_that(browser: Client, draw: Draw, wallet: Wallet) -> None:
    first, second, third = draw(), draw(), draw()
    trash.discard(wallet, [str(first)])
    html = delete(browser, second, third, **{"HX-Request": "true"}).content.decode()
    assert "2 images deleted." in html
    thrown = trash.last_trashed(wallet)
    assert thrown is not None
    assert (thrown.count, f'name="together" value="{thrown.together}"' in html) == (2, True)
    browser.post("/gallery/restore/", {"together": thrown.together})
    assert {str(one) for one in Generation.objects.kept()} == {str(second), str(third)}


def test_the_notice_ends_with_the_time_to_take_back(browser: Client, draw: Draw, wallet: Wallet) -> None:
    generation = draw()
    delete(browser, generation)
    age(generation, trash.GRACE)
    assert trash.last_trashed(wallet) is None


def test_restoring_says_what_came_back_once(browser: Client, draw: Draw) -> None:
    generation = draw()
    delete(browser, generation)
    response = browser.post("/gallery/restore/", {"ids": [str(generation)]}, follow=True)
    assert "The image is back." in response.content.decode()
    response = browser.post("/gallery/restore/", {"ids": [str(generation)]}, follow=True)
    assert "The image is back." not in response.content.decode()
    script = restore(browser, generation, **{"HX-Request": "true"})
    assert script["HX-Trigger"] == '{"restored": {"count": 0}}'


def test_too_late_is_too_late(browser: Client, draw: Draw) -> None:
    generation = draw()
    delete(browser, generation)
    age(generation, trash.GRACE)
    restore(browser, generation)
    assert Generation.objects.kept().count() == 0


def test_nothing_purged_comes_back(browser: Client, stored: Draw) -> None:
    generation = stored()
    delete(browser, generation)
    age(generation, trash.PURGE_AFTER)
    assert trash.purge_due() == 1
    Generation.objects.update(deleted_at=timezone.now())  # as if a clock had gone wrong
    assert restore(browser, generation).status_code == 404
    assert Generation.objects.kept().count() == 0


def test_somebody_who_closed_their_account_takes_nothing_back(wallet: Wallet, draw: Draw) -> None:
    generation = draw()
    trash.discard(wallet, [str(generation)])
    User.objects.update(deleted_at=timezone.now())
    assert trash.restore(wallet, [str(generation)]) == 0


# --- Removing for good ------------------------------------------------------------------------------------------


def test_files_and_words_go_and_the_row_stays_for_the_books(wallet: Wallet, stored: Draw, tmp_path: Path) -> None:
    generation = stored(prompt="a secret fox", negative_prompt="a secret hen")
    other = stored()
    Generation.objects.filter(pk=generation.pk).update(share_token="s" * 22, is_listed=True)
    trash.discard(wallet, [str(generation)])
    age(generation, trash.PURGE_AFTER)
    tasks.purge_trash()
    assert [default_storage.exists(path) for path in file_paths(generation)] == [False] * 3
    assert [default_storage.exists(path) for path in file_paths(other)] == [True] * 3
    generation.refresh_from_db()
    assert (generation.prompt, generation.negative_prompt, generation.share_token) == ("", "", None)
    assert not generation.is_listed
    assert generation.purged_at is not None
    assert generation.status == Generation.Status.COMPLETED
    assert CreditEntry.objects.filter(reference=generation.credit_reference).exists()


def test_nothing_goes_before_its_time(wallet: Wallet, stored: Draw) -> None:
    generation = stored()
    trash.discard(wallet, [str(generation)])
    age(generation, trash.PURGE_AFTER - timedelta(seconds=10))
    assert trash.purge_due() == 0
    assert default_storage.exists(file_paths(generation)[0])


def test_a_time_passes_between_the_last_restore_and_the_purge() -> None:
    assert timedelta(minutes=1) <= trash.PURGE_AFTER - trash.GRACE


def test_a_purge_that_died_is_done_again(wallet: Wallet, stored: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = stored()
    trash.discard(wallet, [str(generation)])
    age(generation, trash.PURGE_AFTER)
    with monkeypatch.context() as patch:
        patch.setattr(Generation.objects.__class__, "filter", _dies_on_update(Generation.objects.__class__.filter))
        with pytest.raises(KeyboardInterrupt):
            trash.purge_due()
    assert not default_storage.exists(file_paths(generation)[0])
    generation.refresh_from_db()
    assert generation.purged_at is None
    assert trash.purge_due() == 1
    assert trash.purge_due() == 0


def _dies_on_update(real: Any) -> Any:
    """A manager's `filter` at the moment when a purged row would be written."""

    def filter(self: Any, *args: Any, **kwargs: Any) -> Any:
        if "pk" in kwargs and "purged_at" in kwargs:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    return filter


def test_what_is_taken_back_in_the_middle_of_a_purge_keeps_its_words(
    wallet: Wallet, stored: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = stored(prompt="a fox")
    trash.discard(wallet, [str(generation)])
    age(generation, trash.PURGE_AFTER)
    monkeypatch.setattr(images, "delete", lambda token: Generation.objects.update(deleted_at=None))
    assert trash.purge_due() == 0
    generation.refresh_from_db()
    assert (generation.prompt, generation.purged_at) == ("a fox", None)


def test_storage_that_is_away_is_asked_again(wallet: Wallet, stored: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stored(prompt="one"), stored(prompt="two")
    trash.discard(wallet, [str(first), str(second)])
    age(first, trash.PURGE_AFTER + timedelta(minutes=1))
    age(second, trash.PURGE_AFTER)
    real = images.delete

    def fails_for_the_first(token: str) -> None:
        if token == first.file_token:
            raise OSError("no route to the bucket")
        real(token)

    with monkeypatch.context() as patch:
        patch.setattr(images, "delete", fails_for_the_first)
        assert trash.purge_due() == 1
    first.refresh_from_db()
    assert first.prompt == "one"
    assert trash.purge_due() == 1


def test_a_failed_one_leaves_neither_words_nor_stray_files(wallet: Wallet, stored: Draw) -> None:
    generation = stored(until="failed")
    Generation.objects.filter(pk=generation.pk).update(upstream_words="No lighthouses.")
    default_storage.save(images.path_of(f"{generation.file_token}.webp"), ContentFile(b"came too late"))
    trash.discard(wallet, [str(generation)])
    age(generation, trash.PURGE_AFTER)
    trash.purge_due()
    generation.refresh_from_db()
    assert (generation.error_message, generation.upstream_words) == ("", "")
    assert generation.error_code == "upstream_failed"
    assert not default_storage.exists(images.path_of(f"{generation.file_token}.webp"))


def test_an_account_is_emptied_batch_by_batch(wallet: Wallet, stored: Draw, bob: User) -> None:
    mine = [stored() for _ in range(5)]
    trash.discard(wallet, [str(mine[0])])
    assert trash.purge_account(wallet, limit=2) == 3
    assert trash.purge_account(wallet, limit=2) == 1
    assert trash.purge_account(wallet, limit=2) == 0
    assert not any(default_storage.exists(path) for one in mine for path in file_paths(one))
    assert trash.purge_account(ledger.wallet_of(bob.pk)) == 0


def test_an_unfinished_image_keeps_an_account_from_being_empty(wallet: Wallet, draw: Draw) -> None:
    draw(until="drawing")
    assert trash.purge_account(wallet) == 1
    assert Generation.objects.get().deleted_at is None


def test_the_beat_purges() -> None:
    from reveweb.celery import app  # not configured before Django is

    assert "generator.jobs.tasks.purge_trash" in {entry["task"] for entry in app.conf.beat_schedule.values()}


# --- The API and the books --------------------------------------------------------------------------------------


def test_the_same_idempotency_key_charges_nothing_after_the_image_was_deleted(
    api: Api, wallet: Wallet, draw: Draw, browser: Client
) -> None:
    body, headers = {"prompt": "a fox", "async": True}, {"Idempotency-Key": "once"}
    first = api.post(body, **headers).json()
    Generation.objects.filter(public_id=first["id"]).update(status="completed", file_extension="png")
    delete(browser, first["id"])
    balance = Wallet.objects.get().balance
    again = api.post(body, **headers)
    assert again.json()["id"] == first["id"]
    assert again["Idempotent-Replayed"] == "true"
    assert Wallet.objects.get().balance == balance
    assert api.get(f"/v1/images/status/{first['id']}").status_code == 404


def test_a_purged_failure_is_still_told_in_words(api: Api, browser: Client, images: None) -> None:
    body, headers = {"prompt": "a fox", "async": True}, {"Idempotency-Key": "once"}
    first = api.post(body, **headers).json()
    generation = Generation.objects.get(public_id=first["id"])
    Generation.objects.update(status="failed", error_code="upstream_failed", error_message="The fox ran off.")
    delete(browser, generation)
    age(generation, trash.PURGE_AFTER)
    trash.purge_due()
    message = api.post(body, **headers).json()["error"]["message"]
    assert message
    assert message == message.strip()


def test_the_credit_history_says_that_an_image_is_gone_and_links_nowhere(browser: Client, draw: Draw) -> None:
    gone, kept = draw(), draw()
    delete(browser, gone)
    html = browser.get("/dashboard/billing/history/").content.decode()
    assert f'href="/gallery/{kept}/"' in html
    assert f'href="/gallery/{gone}/"' not in html
    assert html.count("the image was deleted") == 1


def test_the_credit_history_takes_as_many_queries_however_much_is_gone(
    wallet: Wallet, draw: Draw, django_assert_num_queries: Any
) -> None:
    generations = [draw() for _ in range(6)]
    trash.discard(wallet, [str(one) for one in generations[:3]])
    with django_assert_num_queries(3):
        page = statement.page(wallet)
    assert sum(line.is_gone for line in page.lines) == 3
