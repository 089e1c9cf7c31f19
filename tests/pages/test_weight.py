"""What a first look at the pages with most in them weighs, on the wire: document, style sheets and scripts."""

import asyncio
import random
import re

import pytest
from django.http import HttpResponseBase
from django.test import AsyncClient, Client

from generator.models import Generation
from tests.browser.pages import BUDGET
from tests.pages.conftest import Hang
from tests.streams import pieces_of

PACKED = {"Accept-Encoding": "gzip"}
FILES = re.compile(r'<link rel="stylesheet" href="(/static/[^"]+)"|<script [^>]*src="(/static/[^"]+)"')
LETTERS = "aaabcdeeefghiiklmnooprsttuuw"


def weight(browser: Client, path: str) -> int:
    page = browser.get(path, headers=PACKED)
    assert page["Content-Encoding"] == "gzip"
    files = {css or js for css, js in FILES.findall(browser.get(path).text)}
    return head_of(page) + len(page.content) + sum(asyncio.run(weigh(file)) for file in files)


async def weigh(file: str) -> int:
    response = await AsyncClient().get(file, headers=PACKED)
    assert response["Content-Encoding"] == "gzip"
    body = [piece async for piece in pieces_of(response)] if response.streaming else [response.content]
    return head_of(response) + sum(map(len, body))


def head_of(response: HttpResponseBase) -> int:
    return sum(len(f"{name}: {value}\r\n") for name, value in response.items())


def words(seed: int) -> str:
    """Return a prompt that has little in common with any other."""
    chance = random.Random(seed)
    return " ".join("".join(chance.choices(LETTERS, k=chance.randint(2, 9))) for _ in range(20))


@pytest.mark.parametrize("path", ["/create/", "/gallery/"])
def test_a_full_wall_keeps_to_the_budget(browser: Client, hang: Hang, path: str) -> None:
    images = hang(40)
    for number, image in enumerate(images):
        image.prompt = words(number)
    Generation.objects.bulk_update(images, ["prompt"])
    assert 30_000 < weight(browser, path) < BUDGET
