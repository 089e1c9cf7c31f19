"""Static files as an asynchronous server sends them: in pieces, cached for good, and never with a warning."""

import asyncio
import re
from typing import Any
from urllib.parse import urljoin

import pytest
from django.conf import settings
from django.http import HttpResponseBase
from django.templatetags.static import static
from django.test import AsyncClient, Client

from kit.http import parts
from tests.streams import pieces_of

NAME = "css/components.css"
FACE = "fonts/inter.woff2"


def fetched(method: str = "GET", name: str = NAME, **headers: str) -> tuple[HttpResponseBase, list[bytes]]:
    async def read() -> tuple[Any, list[bytes]]:
        response = await AsyncClient().generic(method, static(name), headers=headers)
        if not response.streaming:
            return response, [response.content]
        return response, [piece async for piece in pieces_of(response)]

    return asyncio.run(read())


@pytest.mark.parametrize("piece", [100, parts.PIECE])
def test_a_file_comes_whole_and_in_pieces_where_it_is_large(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(parts, "PIECE", piece)
    response, pieces = fetched()
    data = (settings.BASE_DIR / "static" / NAME).read_bytes()
    assert response.status_code == 200
    assert b"".join(pieces)[:200] == data[:200]
    assert response["Content-Length"] == str(sum(map(len, pieces)))
    assert max(map(len, pieces)) <= piece
    assert response["Content-Type"].startswith("text/css")
    assert "immutable" in response["Cache-Control"]


@pytest.mark.parametrize("piece", [5, parts.PIECE])
def test_a_part_of_a_file(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(parts, "PIECE", piece)
    _, whole = fetched()
    response, part = fetched(Range="bytes=10-29")
    assert (response.status_code, b"".join(part)) == (206, b"".join(whole)[10:30])


def test_a_browser_that_has_a_file_or_asks_for_its_head_gets_none_of_it() -> None:
    response, _ = fetched()
    known, nothing = fetched(**{"If-None-Match": response["ETag"]})
    assert (known.status_code, nothing) == (304, [b""])
    head, nothing = fetched("HEAD")
    assert (head.status_code, nothing, head["Content-Length"]) == (200, [b""], response["Content-Length"])


def test_it_is_sent_compressed_to_whoever_takes_that() -> None:
    response, _ = fetched(**{"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"


def test_what_could_be_opened_as_a_page_has_a_policy_and_styles_and_scripts_carry_none_along() -> None:
    policies = {
        name: fetched(name=name)[0].has_header("Content-Security-Policy")
        for name in (NAME, "js/theme.js", "img/landing/sunrise.webp")
    }
    assert policies == {NAME: False, "js/theme.js": False, "img/landing/sunrise.webp": True}


@pytest.mark.django_db
def test_the_type_face_is_asked_for_by_the_page_and_the_styles_at_one_address_and_kept_for_good() -> None:
    """What the page preloads and the styles then fetch elsewhere would come twice."""
    response, _ = fetched(name=FACE)
    assert (response.status_code, response["Content-Type"]) == (200, "font/woff2")
    assert "immutable" in response["Cache-Control"]
    page = Client().get("/accounts/login/")
    preloaded = re.findall(r'<link rel="preload" as="font" type="font/woff2" href="([^"]+)" crossorigin>', page.text)
    assert preloaded == [static(FACE)]
    _, styles = fetched(name="css/base.css")
    wanted = re.search(r'url\("([^"]+)"\)', b"".join(styles).decode())
    assert wanted
    assert urljoin(static("css/base.css"), wanted[1]) == static(FACE)
    assert "font-src 'self'" in page["Content-Security-Policy"]
