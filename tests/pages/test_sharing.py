"""Public links: who sees a shared image, what strangers are shown, and how it ends."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from accounts import keys
from accounts.models import User
from generator.files import images as pictures
from generator.library import sharing
from generator.models import Generation
from generator.pages import shared as shared_views
from tests.generator.test_plain import SPOKEN
from tests.pages.test_frame import assert_well_made

Draw = Callable[..., Generation]


def switch(client: Client, generation: Generation, **switches: str) -> Any:
    return client.post(f"/gallery/{generation}/share/", switches)


@pytest.fixture
def shared(browser: Client, draw: Draw) -> Generation:
    """A shared image of Alice's."""
    generation = draw("a red fox in “snow”")
    switch(browser, generation, on="1")
    generation.refresh_from_db()
    return generation


def page_of(generation: Generation) -> str:
    return f"/s/{generation.share_token}/"


def picture_of(generation: Generation, name: str = "image.png") -> str:
    return f"/shared/{generation.share_token}/{name}"


@pytest.fixture
def filed(shared: Generation, images: None) -> Generation:
    """The same with files, each of other bytes."""
    for path in paths_of(shared):
        default_storage.save(path, ContentFile(path.encode()))
    return shared


def paths_of(generation: Generation) -> list[str]:
    thumbnails = [pictures.thumbnail_name(generation.file_token, side) for side in pictures.THUMBNAIL_SIDES]
    return [pictures.path_of(generation.file_name), *thumbnails]


# --- The page ---------------------------------------------------------------------------------------------------


def test_a_stranger_sees_the_image_and_its_prompt_and_nothing_of_its_owner(client: Client, shared: Generation) -> None:
    html = client.get(page_of(shared)).content.decode()
    assert_well_made(html)
    assert "a red fox in “snow”" in html
    assert f'href="{picture_of(shared)}"' in html
    assert f"/shared/{shared.share_token}/480.webp 480w" in html
    assert f"/create/?shared={shared.share_token}" in html
    assert "alice" not in html
    assert str(shared) not in html
    assert "Receipt" not in html


def test_links_to_it_show_the_image(client: Client, shared: Generation) -> None:
    html = client.get(page_of(shared)).content.decode()
    assert f'<meta property="og:image" content="http://testserver{picture_of(shared)}">' in html
    assert '<meta property="og:image:width" content="1536">' in html
    assert f'<meta property="og:url" content="http://testserver{page_of(shared)}">' in html
    assert '<meta property="og:title" content="a red fox in “snow”">' in html


def test_search_engines_keep_only_what_is_on_explore(
    client: Client, browser: Client, shared: Generation, settings: Any
) -> None:
    settings.EXPLORE = True
    hidden = client.get(page_of(shared))
    assert hidden["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in hidden.content.decode()
    switch(browser, shared, listed="1")
    public = client.get(page_of(shared))
    assert "X-Robots-Tag" not in public
    assert "noindex" not in public.content.decode()
    settings.EXPLORE = False
    assert client.get(page_of(shared))["X-Robots-Tag"] == "noindex"


def test_its_owner_finds_the_way_back(browser: Client, strangers_browser: Client, shared: Generation) -> None:
    own = f'href="/gallery/{shared}/#share"'
    assert own in browser.get(page_of(shared)).content.decode()
    assert own not in strangers_browser.get(page_of(shared)).content.decode()


def test_no_cache_keeps_it(client: Client, shared: Generation) -> None:
    assert "no-store" in client.get(page_of(shared))["Cache-Control"]


def test_a_stranger_downloads_it_as_it_is_stored(client: Client, shared: Generation, images: None) -> None:
    default_storage.save(pictures.path_of(shared.file_name), ContentFile(b"the very bytes"))
    response = client.get(f"{page_of(shared)}download/?format=webp")
    assert response.content == b"the very bytes"
    assert response["Content-Type"] == "image/png"


def test_make_your_own_fills_the_studio_in(strangers_browser: Client, shared: Generation) -> None:
    html = strangers_browser.get(f"/create/?shared={shared.share_token}").content.decode()
    assert "a red fox in “snow”</textarea>" in html


def test_it_gives_nothing_away_that_its_dialog_does_not_name(
    client: Client, browser: Client, strangers_browser: Client, filed: Generation
) -> None:
    made = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    key = keys.mint(user=filed.wallet.user, name="secret-project")[0]
    hidden = {"negative_prompt": "my ex, zebra", "upstream_id": "up_zebra", "idempotency_key": "zebra-7"}
    Generation.objects.update(api_key=key, created_at=made, finished_at=made, **hidden)
    pages = [
        client.get(page_of(filed)),
        client.get(f"{page_of(filed)}download/"),
        *(client.get(picture_of(filed, name)) for name in ("image.png", "480.webp")),
        strangers_browser.get(f"/create/?shared={filed.share_token}"),
    ]
    for answer in pages:
        is_file = answer["Content-Type"].startswith("image/")  # here one whose bytes are its name
        text = f"{answer.headers} {b'' if is_file else answer.content!r}"
        for word in ("zebra", "my ex", "secret-project", key.prefix, filed.file_token, "05:06"):
            assert word not in text
    dialog = browser.get(f"/gallery/{filed}/").content.decode()
    assert "zebra" in dialog  # for its owner
    browser.post(f"/gallery/{filed}/share/", {"on": "0"})
    dialog = " ".join(browser.get(f"/gallery/{filed}/").content.decode().split())
    assert "sees the image, its prompt and shape, the model and the day it was made; not what you left out" in dialog


@pytest.mark.parametrize("token", ["x" * 22, "x", "x" * 10_000, "%00" * 22, "..%2F" * 4, "-" * 22])
def test_a_link_that_is_none_is_not_found(client: Client, shared: Generation, token: str) -> None:
    assert client.get(f"/s/{token}/").status_code == 404
    assert client.get(f"/s/{token}/download/").status_code == 404


def test_the_page_takes_three_queries_at_most(
    client: Client, shared: Generation, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(3):
        client.get(page_of(shared))


def test_nothing_of_it_gives_the_files_permanent_address_away(client: Client, filed: Generation) -> None:
    for path in (page_of(filed), f"{page_of(filed)}download/", *(picture_of(filed, name) for name in NAMES)):
        response = client.get(path)
        assert response.status_code == 200
        assert filed.file_token not in str(response.headers), path
        if "text/html" in response["Content-Type"]:
            assert filed.file_token not in response.content.decode()


# --- Its pictures -----------------------------------------------------------------------------------------------

NAMES = ("image.png", "480.webp", "960.webp")


def test_each_picture_is_the_file_it_names(client: Client, filed: Generation) -> None:
    for name, path in zip(NAMES, paths_of(filed), strict=True):
        response = client.get(picture_of(filed, name))
        assert response.content == path.encode()
        assert response["Content-Type"] == f"image/{name.partition('.')[2]}"
        assert response["Content-Length"] == str(len(path))
        assert response["X-Content-Type-Options"] == "nosniff"


def test_the_original_stands_in_for_thumbnails_until_they_are_made(client: Client, filed: Generation) -> None:
    default_storage.delete(pictures.thumbnail_name(filed.file_token, 480))
    original, thumbnail = client.get(picture_of(filed)), client.get(picture_of(filed, "480.webp"))
    assert (thumbnail.content, thumbnail["Content-Type"]) == (original.content, "image/png")
    assert thumbnail["Cache-Control"] == "no-store"
    Generation.objects.filter(pk=filed.pk).update(needs_thumbnails=False)
    assert client.get(picture_of(filed, "480.webp")).status_code == 404


def end_by_unsharing(browser: Client, generation: Generation) -> None:
    switch(browser, generation, on="0")


def end_by_deleting(browser: Client, generation: Generation) -> None:
    browser.post("/gallery/delete/", {"ids": str(generation)})


def end_by_suspending(browser: Client, generation: Generation) -> None:
    User.objects.update(is_active=False)


@pytest.mark.parametrize("end", [end_by_unsharing, end_by_deleting, end_by_suspending])
def test_they_end_with_the_share_even_for_whoever_had_them(
    browser: Client, client: Client, filed: Generation, end: Callable[[Client, Generation], None]
) -> None:
    had = {name: client.get(picture_of(filed, name))["ETag"] for name in NAMES}
    end(browser, filed)
    for name, etag in had.items():
        assert client.get(picture_of(filed, name)).status_code == 404
        assert client.get(picture_of(filed, name), headers={"If-None-Match": etag}).status_code == 404
    assert client.get(f"{page_of(filed)}download/").status_code == 404


def test_its_owner_and_the_api_keep_the_permanent_address(browser: Client, client: Client, filed: Generation) -> None:
    switch(browser, filed, on="0")
    assert f"/images/{filed.file_name}" in browser.get(f"/gallery/{filed}/").content.decode()
    assert client.get(f"/images/{filed.file_name}").status_code == 200


def test_only_a_browser_keeps_them_and_only_for_minutes(client: Client, filed: Generation) -> None:
    response = client.get(picture_of(filed))
    assert response["Cache-Control"] == "private, max-age=300, must-revalidate"
    assert not response.has_header("Vary")
    assert not response.cookies


def test_who_has_them_is_told_that_they_are_the_same(client: Client, filed: Generation) -> None:
    had = client.get(picture_of(filed))
    response = client.get(picture_of(filed), headers={"If-None-Match": had["ETag"]})
    assert (response.status_code, response.content) == (304, b"")
    assert response["Cache-Control"] == had["Cache-Control"]


def test_a_part_of_a_picture_can_be_had(client: Client, filed: Generation) -> None:
    response = client.get(picture_of(filed), headers={"Range": "bytes=3-5"})
    assert (response.status_code, response.content) == (206, paths_of(filed)[0].encode()[3:6])


@pytest.mark.parametrize("look_up", [sharing.shared_file, sharing.file_on_explore])
def test_a_picture_takes_one_query(filed: Generation, look_up: Any, django_assert_num_queries: Any) -> None:
    Generation.objects.update(is_listed=True)
    with django_assert_num_queries(1):  # here, for the view asks in a thread of its own
        assert shared_views._stored(look_up(filed.share_token), "image.png", {}).path
        shared_views._is_public(filed)


def test_search_engines_keep_only_pictures_on_explore(client: Client, filed: Generation, settings: Any) -> None:
    settings.EXPLORE = True
    assert client.get(picture_of(filed))["X-Robots-Tag"] == "noindex"
    Generation.objects.update(is_listed=True)
    assert not client.get(picture_of(filed)).has_header("X-Robots-Tag")


@pytest.mark.parametrize(
    "name", ["image.jpg", "image", "481.webp", "480.png", "image.png%00", "..%2Fimage.png", "x" * 3000]
)
def test_no_other_file_is_served(client: Client, filed: Generation, name: str) -> None:
    assert client.get(picture_of(filed, name)).status_code == 404


def test_a_picture_whose_file_is_gone_is_not_found(client: Client, shared: Generation, images: None) -> None:
    assert client.get(picture_of(shared)).status_code == 404
    assert client.get(f"{page_of(shared)}download/").status_code == 404


@pytest.mark.parametrize("token", ["x" * 22, "x", "%00" * 22, "-" * 22])
def test_pictures_of_a_made_up_share_are_not_found(client: Client, filed: Generation, token: str) -> None:
    for path in (f"/shared/{token}/image.png", f"/shared/{token}/explore/480.webp"):
        assert client.get(path).status_code == 404


# --- The switches -----------------------------------------------------------------------------------------------


def test_an_image_is_private_until_its_owner_shares_it(browser: Client, draw: Draw) -> None:
    generation = draw()
    assert "Only you can see this page" in browser.get(f"/gallery/{generation}/").content.decode()
    assert switch(browser, generation, on="1")["Location"] == f"/gallery/{generation}/#share"
    html = browser.get(f"/gallery/{generation}/").content.decode()
    assert "Anybody with the link can see this" in html
    generation.refresh_from_db()
    assert f"http://testserver/s/{generation.share_token}/" in html


def test_a_link_cannot_be_guessed(shared: Generation) -> None:
    assert re.fullmatch(r"[\w-]{22}", shared.share_token or "")


def test_sharing_twice_keeps_the_link(browser: Client, shared: Generation) -> None:
    token = shared.share_token
    switch(browser, shared, on="1")
    shared.refresh_from_db()
    assert shared.share_token == token


def test_ending_it_ends_it_at_once_and_a_new_link_is_another(
    browser: Client, client: Client, shared: Generation
) -> None:
    old = page_of(shared)
    switch(browser, shared, on="0")
    assert client.get(old).status_code == 404
    assert client.get(f"{old}download/").status_code == 404
    switch(browser, shared, on="1")
    shared.refresh_from_db()
    assert page_of(shared) != old
    assert client.get(old).status_code == 404
    assert client.get(page_of(shared)).status_code == 200


def test_deleting_takes_the_page_away_and_undo_brings_it_back(
    browser: Client, client: Client, shared: Generation
) -> None:
    browser.post("/gallery/delete/", {"ids": str(shared)})
    assert client.get(page_of(shared)).status_code == 404
    browser.post("/gallery/restore/", {"ids": str(shared)})
    assert client.get(page_of(shared)).status_code == 200


def test_the_links_of_somebody_who_is_suspended_lead_nowhere(client: Client, shared: Generation, alice: User) -> None:
    alice.is_active = False
    alice.save()
    assert client.get(page_of(shared)).status_code == 404


def test_the_panel_says_what_ends_and_what_does_not(browser: Client, draw: Draw) -> None:
    generation = draw()
    before = browser.get(f"/gallery/{generation}/").content.decode()
    assert "You can end it at any time: the page and its pictures are gone then." in before
    switch(browser, generation, on="1")
    after = browser.get(f"/gallery/{generation}/").content.decode()
    assert "Stop sharing, and the page and its pictures are gone for everybody." in after
    for html in (before, after):
        assert "Whoever has saved the image keeps it." in html


def test_htmx_gets_the_part_that_changed(browser: Client, draw: Draw) -> None:
    generation = draw()
    response = browser.post(f"/gallery/{generation}/share/", {"on": "1"}, headers={"HX-Request": "true"})
    html = response.content.decode()
    assert html.lstrip().startswith('<section class="share"')
    assert "Anybody with the link can see this" in html


def test_only_a_shared_image_can_be_on_explore(browser: Client, draw: Draw, settings: Any) -> None:
    settings.EXPLORE = True
    generation = draw()
    switch(browser, generation, listed="1")
    assert not Generation.objects.get().is_listed
    switch(browser, generation, on="1")
    switch(browser, generation, listed="1")
    assert Generation.objects.get().is_listed
    switch(browser, generation, on="0")
    assert not Generation.objects.get().is_listed


def test_without_explore_there_is_no_switch_for_it(browser: Client, shared: Generation, settings: Any) -> None:
    settings.EXPLORE = False
    switch(browser, shared, listed="1")
    assert not Generation.objects.get().is_listed
    assert "Show it on Explore" not in browser.get(f"/gallery/{shared}/").content.decode()
    settings.EXPLORE = True
    assert "Show it on Explore" in browser.get(f"/gallery/{shared}/").content.decode()


def test_a_stranger_changes_nothing(strangers_browser: Client, draw: Draw) -> None:
    generation = draw()
    assert switch(strangers_browser, generation, on="1").status_code == 404
    assert Generation.objects.get().share_token is None


@pytest.mark.parametrize("until", ["queued", "failed"])
def test_only_an_image_can_be_shared(browser: Client, draw: Draw, until: str) -> None:
    assert switch(browser, draw(until=until), on="1").status_code == 404
    assert Generation.objects.get().share_token is None


@pytest.mark.parametrize("switches", [{}, {"on": "yes"}, {"on": "1\x00"}, {"listed": "2"}])
def test_an_odd_switch_is_refused(browser: Client, draw: Draw, switches: dict[str, str]) -> None:
    assert switch(browser, draw(), **switches).status_code == 400
    assert Generation.objects.get().share_token is None


def test_a_shared_file_holds_no_words_and_its_owners_does(client: Client, shared: Generation, images: None) -> None:
    default_storage.save(pictures.path_of(shared.file_name), ContentFile(SPOKEN["png"]))
    own = client.get(f"/images/{shared.file_name}").content
    assert own == SPOKEN["png"]
    for path in (picture_of(shared), f"/s/{shared.share_token}/download/"):
        whole = client.get(path)
        assert whole.status_code == 200
        assert b"zebra" in own
        assert b"zebra" not in whole.content
        assert int(whole["Content-Length"]) == len(whole.content)
        rest = client.get(path, headers={"Range": "bytes=10-"})
        assert (rest.status_code, rest.content) == (206, whole.content[10:])
