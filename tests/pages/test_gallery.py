"""One's own finished images: newest first, page by page, searched and filtered."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import Wallet
from generator.ask import prices
from generator.files import images
from generator.library import listing, trash
from generator.models import ASPECT_RATIOS, Generation
from kit.http import parts
from kit.threads import in_thread
from tests.pages.conftest import Hang
from tests.pages.test_frame import assert_well_made

Draw = Callable[..., Generation]
HTMX = {"HX-Request": "true", "HX-Target": "results"}


def ids_on(html: str) -> list[str]:
    return re.findall(r'<li class="tile" id="(img_\w+)"', html)


def found(browser: Client, query: str = "", **headers: str) -> list[str]:
    """The ids of the images that the gallery shows at an address."""
    response = browser.get(f"/gallery/{query}", headers=headers)
    assert response.status_code == 200
    return ids_on(response.content.decode())


def the_ids(*generations: Generation) -> list[str]:
    return [generation.public_id for generation in generations]


def walk(browser: Client, address: str | None = "/gallery/") -> list[str]:
    """The ids of all pages, followed by their links from `address`."""
    seen: list[str] = []
    while address:
        html = browser.get(address).content.decode()
        seen += ids_on(html)
        older = re.search(r'href="([^"]+)" data-more', html)
        address = older[1].replace("&amp;", "&") if older else None
    return seen


# What hangs there


def test_it_shows_finished_images_only(browser: Client, draw: Draw) -> None:
    done = draw()
    draw(until="failed")
    draw(until="drawing")
    assert found(browser) == [done.public_id]


def test_what_was_thrown_away_is_gone_from_every_view(browser: Client, draw: Draw, wallet: Wallet) -> None:
    kept, gone = draw("a red fox"), draw("a red barn")
    trash.discard(wallet, [gone.public_id])
    for query in ("", "?q=red", "?ratio=1:1", "?source=studio", f"?before={draw().public_id}"):
        assert gone.public_id not in found(browser, query)
        assert kept.public_id in found(browser, query)


def test_strangers_images_are_not_in_it(strangers_browser: Client, draw: Draw) -> None:
    draw()
    html = strangers_browser.get("/gallery/").content.decode()
    assert ids_on(html) == []
    assert "No images yet" in html


def test_with_images_it_is_well_made(browser: Client, draw: Draw) -> None:
    draw("An <em>odd</em> “prompt” & more")
    html = browser.get("/gallery/?favourites=1&ratio=3:2&source=api&from=2026-01-01&q=odd").content.decode()
    assert_well_made(html)
    assert_well_made(browser.get("/gallery/").content.decode())


# Page by page


def test_pages_follow_each_other_without_gap_or_overlap(browser: Client, hang: Hang) -> None:
    newest_first = the_ids(*reversed(hang(listing.PAGE_SIZE * 2 + 5)))
    assert walk(browser) == newest_first


def test_images_that_arrive_meanwhile_shift_no_page(browser: Client, hang: Hang) -> None:
    newest_first = the_ids(*reversed(hang(listing.PAGE_SIZE + 5)))
    first = browser.get("/gallery/").content.decode()
    older = re.search(r'href="([^"]+)" data-more', first)
    assert older
    hang(7)
    assert ids_on(first) + walk(browser, older[1]) == newest_first


def test_a_page_follows_an_image_that_was_thrown_away_meanwhile(browser: Client, hang: Hang, wallet: Wallet) -> None:
    oldest_first = hang(5)
    trash.discard(wallet, [oldest_first[3].public_id])
    assert found(browser, f"?before={oldest_first[3].public_id}") == the_ids(*reversed(oldest_first[:3]))


def test_a_full_last_page_leads_nowhere(browser: Client, hang: Hang) -> None:
    hang(listing.PAGE_SIZE)
    assert "data-more>" not in browser.get("/gallery/").content.decode()


def test_filters_stay_while_paging(browser: Client, hang: Hang) -> None:
    hang(listing.PAGE_SIZE + 1)
    html = browser.get("/gallery/?q=image&ratio=1:1&ratio=3:2").content.decode()
    order = urlencode([("q", "image"), *(("ratio", ratio) for ratio in ASPECT_RATIOS if ratio in ("1:1", "3:2"))])
    assert f'href="/gallery/?{order.replace("&", "&amp;")}&amp;before=img_' in html


def test_who_comes_back_gets_many_pages_at_once_but_no_end_of_them(browser: Client, hang: Hang) -> None:
    hang(listing.PAGE_MOST + 50)
    assert len(found(browser, "?show=200")) == 200
    assert len(found(browser, "?show=9999")) == listing.PAGE_MOST
    assert len(found(browser, "?show=1")) == listing.PAGE_SIZE


def test_the_way_back_from_an_image_leads_to_where_it_hangs(browser: Client, hang: Hang) -> None:
    rows = hang(listing.PAGE_MOST + 100)
    newest_first = the_ids(*reversed(rows))
    for place in (0, 5, 300):
        shown = found(browser, f"?at={newest_first[place]}")
        assert shown == newest_first[: place + listing.PAGE_SIZE]
    for place in (listing.PAGE_MOST, listing.PAGE_MOST + 99):
        shown = found(browser, f"?at={newest_first[place]}")
        assert shown == newest_first[place - listing.PAGE_SIZE : place + listing.PAGE_SIZE]
    html = browser.get(f"/gallery/{newest_first[7]}/?q=image").content.decode()
    assert f'href="/gallery/?q=image&amp;at={newest_first[7]}#{newest_first[7]}"' in html


def test_a_page_that_comes_back_hears_what_is_still_there(
    browser: Client, strangers_browser: Client, hang: Hang, wallet: Wallet
) -> None:
    kept, loved, gone = hang(3)
    Generation.objects.filter(pk=loved.pk).update(is_favourite=True)
    trash.discard(wallet, [gone.public_id])
    form = {"ids": ",".join([*the_ids(kept, loved, gone), "img_unknown"])}
    answer = browser.post("/gallery/kept/", form).json()
    assert answer == {"kept": {kept.public_id: False, loved.public_id: True}}
    assert strangers_browser.post("/gallery/kept/", form).json() == {"kept": {}}


@pytest.mark.services
def test_it_asks_the_database_as_often_for_many_images_as_for_few(
    browser: Client, hang: Hang, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", 600)  # they are asked once a second
    prices.current()
    counts = []
    for more in (1, 49, 450):
        hang(more)
        with CaptureQueriesContext(connection) as queries:
            browser.get("/gallery/")
        counts.append(len(queries))
    assert counts == [9, 9, 9]


# Search


def test_search_wants_every_word_in_whatever_case_and_order(browser: Client, draw: Draw) -> None:
    fox = draw("A red Fox in snow")
    draw("A red barn")
    draw("An arctic fox")
    assert found(browser, "?q=fox+RED") == [fox.public_id]


@pytest.mark.services
@pytest.mark.parametrize("query", ["лиса", "ЛИСА", "Лиса"])
def test_search_knows_the_cases_of_other_scripts(browser: Client, draw: Draw, query: str) -> None:
    wanted = draw("Рыжая лиса в снегу"), draw("ЛИСА"), draw("Лиса у реки")
    draw("Волк")
    assert found(browser, f"?q={query}") == the_ids(*reversed(wanted))


@pytest.mark.services
@pytest.mark.parametrize("prompt", ["A café", "A cafe\u0301", "A CAFÉ", "A CaFE\u0301"])
@pytest.mark.parametrize("query", ["caf%C3%A9", "cafe%CC%81", "CAF%C3%89", "cAFe%CC%81"])
def test_search_finds_a_letter_however_it_is_composed(browser: Client, draw: Draw, prompt: str, query: str) -> None:
    draw("A cafeteria")
    wanted = draw(prompt)
    assert found(browser, f"?q={query}") == [wanted.public_id]


@pytest.mark.services
@pytest.mark.parametrize(
    ("prompt", "query"), [("ΣΊΣΥΦΟΣ", "σίσυφος"), ("eine Straße", "STRASSE"), ("ՄԵԾ տուն", "մեծ Տուն")]
)
def test_search_knows_mixed_cases_and_letters_that_grow(browser: Client, draw: Draw, prompt: str, query: str) -> None:
    wanted = draw(prompt)
    assert found(browser, f"?q={query}") == [wanted.public_id]


def test_search_takes_percent_signs_and_quotes_literally(browser: Client, draw: Draw) -> None:
    sale = draw('A sign that says "50% off"')
    draw("A lighthouse")
    assert found(browser, "?q=50%25") == [sale.public_id]
    assert found(browser, "?q=%2250") == [sale.public_id]
    assert found(browser, "?q=_") == []


def test_a_search_without_result_offers_a_way_on(browser: Client, draw: Draw) -> None:
    draw()
    html = browser.get("/gallery/", {"q": "<zebra>"}).content.decode()
    assert "No image has “<bdi>&lt;zebra&gt;</bdi>” in its prompt" in html
    assert 'href="/create/?prompt=%3Czebra%3E"' in html


# Filters


def test_favourites(browser: Client, draw: Draw) -> None:
    heart = draw()
    draw()
    Generation.objects.filter(pk=heart.pk).update(is_favourite=True)
    assert found(browser, "?favourites=1") == [heart.public_id]


def test_one_ratio_or_several(browser: Client, draw: Draw) -> None:
    square, wide, tall = draw(aspect_ratio="1:1"), draw(aspect_ratio="16:9"), draw(aspect_ratio="2:3")
    assert found(browser, "?ratio=1:1") == [square.public_id]
    assert found(browser, "?ratio=2:3&ratio=16:9") == the_ids(tall, wide)


def test_where_it_came_from(browser: Client, draw: Draw, alice: User) -> None:
    shop, _ = keys.mint(user=alice, name="shop")
    blog, _ = keys.mint(user=alice, name="blog")
    by_hand, by_shop, by_blog = draw(), draw(api_key=shop), draw(api_key=blog)
    assert found(browser, "?source=studio") == [by_hand.public_id]
    assert found(browser, "?source=api") == the_ids(by_blog, by_shop)
    assert found(browser, f"?source=key-{shop.pk}") == [by_shop.public_id]


def offered(client: Client, query: str = "") -> list[str]:
    """The names of the sources that the filter lists, and the heading among them."""
    panel = client.get(f"/gallery/{query}").content.decode().split("filter-sources", 1)[1].split("</fieldset>", 1)[0]
    return re.findall(r"<(?:span|p)[^>]*>([^<]+)</", panel)


def test_keys_that_work_are_offered_first_and_ended_ones_by_their_images(
    browser: Client, draw: Draw, alice: User, wallet: Wallet
) -> None:
    old, gone, empty, late, new = (
        keys.mint(user=alice, name=name)[0] for name in ("old", "gone", "empty", "late", "new")
    )
    by_old = draw(api_key=old)
    assert wallet.generations.filter(pk=draw(api_key=gone).pk).update(deleted_at=timezone.now())
    draw(api_key=late)
    for key in (old, gone, empty):
        keys.revoke(key)
    ApiKey.objects.filter(pk=late.pk).update(expires_at=timezone.now())
    usual = ["Anywhere", "Studio", "API, any key", "new"]
    assert offered(browser) == [*usual, "Keys that have ended", "late (expired)", "old (revoked)"]
    assert found(browser, f"?source=key-{old.pk}") == [by_old.public_id]
    Generation.objects.filter(api_key__in=[old, late]).update(deleted_at=timezone.now())
    draw(api_key=new)
    assert offered(browser) == usual


def test_a_key_without_images_filters_all_the_same(browser: Client, draw: Draw, alice: User) -> None:
    """Dropped from the address it would stand for all images, which “Select all” deletes."""
    key, _ = keys.mint(user=alice, name="shop")
    keys.revoke(key)
    kept = draw()
    query = f"source=key-{key.pk}"
    assert "shop (revoked)" in browser.get(f"/gallery/?{query}").content.decode()
    assert found(browser, f"?{query}") == []
    assert browser.get(f"/gallery/count/?{query}").json()["count"] == 0
    everything = {"all": "1", "filter": query, "newest": kept.public_id, "count": "1"}
    browser.post("/gallery/delete/", everything)
    assert found(browser) == [kept.public_id]


def test_as_many_ended_keys_as_there_may_be_are_found_by_one_join(
    alice: User, draw: Draw, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = timezone.now()
    made = [ApiKey(user=alice, name="x", prefix=f"rv_{n:08}", digest=str(n), revoked_at=ended) for n in range(300)]
    ApiKey.objects.bulk_create(made)
    images = [draw(api_key=made[n]) for n in range(5)]
    monkeypatch.setattr(listing, "ENDED_MOST", 3)
    with CaptureQueriesContext(connection) as captured:
        sources = listing.keys_of(wallet)
    assert list(sources.ended) == [f"key-{image.api_key_id}" for image in reversed(images)][:3]
    assert not sources.live
    assert len(captured) == 2
    on_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if on_sqlite else ''}{captured.captured_queries[-1]['sql']}")
        plan = str(cursor.fetchall())
    assert "generation_by_key (api_key_id=?)" in plan if on_sqlite else "SubPlan" not in plan


def test_days_are_both_included(browser: Client, draw: Draw) -> None:
    early, noon, late, next_day = draw(), draw(), draw(), draw()
    for generation, at in (
        (early, datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)),
        (noon, datetime(2026, 3, 10, 12, tzinfo=UTC)),
        (late, datetime(2026, 3, 11, 23, 59, 59, tzinfo=UTC)),
        (next_day, datetime(2026, 3, 12, tzinfo=UTC)),
    ):
        Generation.objects.filter(pk=generation.pk).update(created_at=at)
    assert found(browser, "?from=2026-03-10&to=2026-03-11") == the_ids(late, noon)
    assert found(browser, "?from=2026-03-12") == [next_day.public_id]
    assert found(browser, "?to=2026-03-09") == [early.public_id]


def test_filters_add_up(browser: Client, draw: Draw) -> None:
    both = draw("a red fox", aspect_ratio="1:1")
    draw("a red fox", aspect_ratio="3:2")
    draw("a barn", aspect_ratio="1:1")
    assert found(browser, "?q=fox&ratio=1:1&source=studio") == [both.public_id]


def test_each_active_filter_is_shown_with_the_way_out_of_it(browser: Client, draw: Draw) -> None:
    draw()
    html = browser.get("/gallery/?favourites=1&ratio=1:1&from=2026-03-10&to=2026-03-11").content.decode()
    found_chips = re.findall(r'<a class="chip chip-active" href="([^"]+)">([^<]+)<', html)
    chips = {words: href.replace("&amp;", "&") for href, words in found_chips}
    assert chips == {
        "Favourites": "/gallery/?ratio=1%3A1&from=2026-03-10&to=2026-03-11",
        "1:1": "/gallery/?favourites=1&from=2026-03-10&to=2026-03-11",
        "10 Mar 2026 – 11 Mar 2026": "/gallery/?favourites=1&ratio=1%3A1",
    }
    assert "No image is all of this" in html


def test_a_strangers_key_is_no_source(strangers_browser: Client, bob: User, draw: Draw, alice: User) -> None:
    hers, _ = keys.mint(user=alice, name="hers alone")
    html = strangers_browser.get(f"/gallery/?source=key-{hers.pk}").content.decode()
    assert "hers alone" not in html
    assert "No images yet" in html


@pytest.mark.services
@pytest.mark.parametrize(
    "query",
    [
        "?before=nonsense", "?before=%00", "?q=%00", "?before=" + "9" * 500, "?q=" + "x" * 5000, "?q=" + "a+" * 200,
        "?ratio=%00", "?ratio=7:7", "?source=key-" + "9" * 40, "?source=key-x", "?source=%00", "?favourites=%00",
        "?from=2026-02-31", "?from=0001-01-01", "?to=2999-12-31", "?to=9999-12-31", "?from=%00", "?show=-1",
        "?show=%D9%A1", "?show=" + "9" * 50,
    ],
)  # fmt: skip
def test_an_odd_address_breaks_nothing(browser: Client, draw: Draw, query: str) -> None:
    draw()
    assert browser.get("/gallery/" + query).status_code == 200


def test_a_strangers_image_is_no_place_to_page_from(strangers_browser: Client, draw: Draw) -> None:
    assert strangers_browser.get("/gallery/", {"before": draw().public_id}).status_code == 200


# What a script asks for


def test_a_script_gets_the_results_alone(browser: Client, draw: Draw) -> None:
    draw()
    html = browser.get("/gallery/", headers=HTMX).content.decode()
    assert "<html" not in html
    assert len(ids_on(html)) == 1


def test_a_script_whose_session_ended_is_sent_to_log_in(client: Client, db: None) -> None:
    response = client.get("/gallery/?q=fox", headers=HTMX)
    assert response["HX-Redirect"] == "/accounts/login/?next=/gallery/%3Fq%3Dfox"


def test_a_step_of_the_history_gets_the_whole_page(browser: Client, draw: Draw) -> None:
    draw()
    response = browser.get("/gallery/", headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert "<html" in response.content.decode()


def test_a_new_filter_is_a_step_of_the_history_and_a_longer_word_is_none(browser: Client, draw: Draw) -> None:
    draw()

    def address(query: str, now: str) -> Any:
        return browser.get(f"/gallery/{query}", headers={**HTMX, "HX-Current-URL": f"http://testserver/gallery/{now}"})

    assert address("?q=fo&source=&from=&to=", "")["HX-Push-Url"] == "/gallery/?q=fo"
    assert address("?q=fox", "?q=fo")["HX-Replace-Url"] == "/gallery/?q=fox"
    assert address("?q=fox&favourites=1", "?q=fox")["HX-Push-Url"] == "/gallery/?q=fox&favourites=1"
    assert address("?q=", "?q=fox")["HX-Push-Url"] == "/gallery/"


# Many at once


MANY = "/gallery/favourites/"


def test_many_become_favourites_and_no_longer(browser: Client, draw: Draw) -> None:
    one, two, other = draw(), draw(), draw()
    for on in (True, False):
        form = {"ids": f"{one},{two}", "on": str(int(on))}
        assert browser.post(MANY, form, headers={"HX-Request": "true"}).status_code == 204
        assert set(Generation.objects.filter(is_favourite=True)) == ({one, two} if on else set())
    assert not Generation.objects.get(pk=other.pk).is_favourite


def test_without_a_script_the_page_says_how_many(browser: Client, draw: Draw) -> None:
    ids = [draw().public_id, draw().public_id]
    html = browser.post(MANY, {"ids": ids, "on": "1"}, follow=True).content.decode()
    assert "Added 2 images to favourites." in html
    html = browser.post(MANY, {"ids": ids[:1], "on": "0"}, follow=True).content.decode()
    assert "Removed 1 image from favourites." in html


def test_strangers_and_nonsense_change_no_heart(browser: Client, strangers_browser: Client, draw: Draw) -> None:
    image = draw()
    assert strangers_browser.post(MANY, {"ids": image.public_id, "on": "1"}).status_code == 404
    for form in ({"ids": image.public_id}, {"ids": image.public_id, "on": "2"}, {"ids": "", "on": "1"}, {"on": "1"}):
        assert browser.post(MANY, form).status_code == 400
    assert browser.get(MANY)["Location"] == "/gallery/"
    assert not Generation.objects.filter(is_favourite=True).exists()


@pytest.fixture
def stored(images_here: None, draw: Draw) -> Draw:
    """Draw an image of Alice's whose file is there."""

    def drawn(prompt: str = "a lighthouse", **fields: Any) -> Generation:
        generation = draw(prompt, **fields)
        default_storage.save(images.path_of(generation.file_name), ContentFile(prompt.encode()))
        return generation

    return drawn


@pytest.fixture(name="images_here")
def _images_here(images: None) -> None:
    """The images of these tests lie in a folder of their own."""


def test_a_zip_needs_a_log_in(client: Client, db: None) -> None:
    response = client.post("/gallery/zip/", {"ids": "img_1"})
    assert response.status_code == 302
    assert unquote(unquote(response["Location"])).endswith("?next=/account/pressed/?back=/gallery/zip/")
    assert client.get("/gallery/zip/")["Location"] == "/gallery/"


@pytest.mark.parametrize(
    "ids", [[], [""], [","], ["\x00"], ["x" * 5000], [",".join(f"img_{number}" for number in range(1001))]]
)
def test_a_zip_of_nonsense_is_refused(browser: Client, ids: list[str]) -> None:
    assert browser.post("/gallery/zip/", {"ids": ids}).status_code == 400


def test_a_zip_of_other_peoples_images_is_not_to_be_had(strangers_browser: Client, stored: Draw) -> None:
    assert strangers_browser.post("/gallery/zip/", {"ids": [stored().public_id]}).status_code == 404


# Thumbnails


@pytest.mark.parametrize("shared", [False, True])
def test_a_thumbnail_that_is_made_between_two_looks_is_found(
    browser: Client, draw: Draw, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    drawn, asked, answer = draw(), [0], parts.answer
    images.delete_thumbnails(drawn.file_token)

    async def made_meanwhile(*arguments: Any, **options: Any) -> Any:
        asked[0] += 1
        if asked[0] == 2:  # the first look found none, and the row says now that they are there
            await in_thread(lambda: images.keep_thumbnails(drawn.file_token, {480: b"small", 960: b"large"}))
        return await answer(*arguments, **options)

    monkeypatch.setattr(parts, "answer", made_meanwhile)
    Generation.objects.filter(pk=drawn.pk).update(share_token="s" * 22, needs_thumbnails=False)
    name = f"/shared/{'s' * 22}/480.webp" if shared else f"/images/{drawn.file_token}_480.webp"
    assert browser.get(name).status_code == 200
    assert asked == [3]
