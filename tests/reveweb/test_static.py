"""Static files as an asynchronous server sends them: in pieces, cached for good, and never with a warning."""

import asyncio
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponseBase
from django.templatetags.static import static
from django.test import AsyncClient

from kit.http import parts
from tests.streams import pieces_of

NAME = "css/components.css"


def fetched(method: str = "GET", **headers: str) -> tuple[HttpResponseBase, list[bytes]]:
    async def read() -> tuple[Any, list[bytes]]:
        response = await AsyncClient().generic(method, static(NAME), headers=headers)
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
