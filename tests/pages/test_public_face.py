"""What search engines, phones and sites that show a link read of a page."""

import re
from html import unescape
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from PIL import Image

PUBLIC = ["/", "/pricing/", "/explore/", "/docs/", "/docs/quickstart/"]
NOT_FOR_THE_INDEX = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/nowhere/", "/?utm=x"]


@pytest.fixture(autouse=True)
def _explore_is_on(settings: Any) -> None:
    settings.EXPLORE = True
    settings.PUBLIC_URL = "https://images.example.com"


def meta(html: str, name: str) -> str:
    """Return the content of the one <meta> of this name."""
    found: list[str] = re.findall(rf'<meta (?:name|property)="{name}" content="([^"]*)"', html)
    assert len(found) == 1, (name, found)
    return unescape(found[0])


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_has_one_address_and_a_card_with_its_own_words(client: Client, db: None, path: str) -> None:
    html = client.get(path).content.decode()
    assert f'<link rel="canonical" href="https://images.example.com{path}">' in html
    assert meta(html, "og:url") == f"https://images.example.com{path}"
    title = re.search(r"<title>([^<]+)</title>", html)
    assert title
    assert meta(html, "og:title") == unescape(title[1])
    assert meta(html, "og:description") == meta(html, "description")
    assert meta(html, "og:image").startswith("https://images.example.com/static/img/landing/card.")
    assert 'content="noindex"' not in html


def test_no_two_public_pages_have_the_same_title_or_description(client: Client, db: None) -> None:
    pages = [client.get(path).content.decode() for path in PUBLIC]
    assert len({meta(html, "og:title") for html in pages}) == len(PUBLIC)
    assert len({meta(html, "description") for html in pages}) == len(PUBLIC)


@pytest.mark.parametrize("path", NOT_FOR_THE_INDEX)
def test_other_pages_are_not_for_the_index(client: Client, db: None, path: str) -> None:
    html = client.get(path).content.decode()
    assert meta(html, "robots") == "noindex"
    assert "canonical" not in html


@pytest.mark.parametrize("path", ["/dashboard/billing/", "/dashboard/api-keys/", "/dashboard/billing/history/"])
def test_private_pages_are_not_for_the_index(browser: Client, path: str) -> None:
    assert meta(browser.get(path).content.decode(), "robots") == "noindex"


def test_robots_keep_off_what_is_private_and_find_the_map(client: Client, db: None) -> None:
    answer = client.get("/robots.txt")
    assert answer["Content-Type"].startswith("text/plain")
    lines = answer.content.decode().splitlines()
    assert "Sitemap: https://images.example.com/sitemap.xml" in lines
    for path in ("/admin/", "/account/", "/dashboard/billing/", "/v1/"):
        assert f"Disallow: {path}" in lines
    assert "Disallow: /" not in lines


def test_every_page_of_the_map_is_there_and_may_be_listed(client: Client, db: None) -> None:
    root = ElementTree.fromstring(client.get("/sitemap.xml").content)
    found = [one.text or "" for one in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert {"https://images.example.com" + path for path in PUBLIC} <= set(found)
    for address in found:
        answer = client.get(address.removeprefix("https://images.example.com"))
        assert answer.status_code == 200
        assert f'<link rel="canonical" href="{address}">' in answer.content.decode()


def test_the_map_leaves_out_explore_where_there_is_none(client: Client, db: None, settings: Any) -> None:
    settings.EXPLORE = False
    assert "explore" not in client.get("/sitemap.xml").content.decode()


def test_the_manifest_and_its_icons_carry_the_brand(client: Client, db: None, settings: Any) -> None:
    settings.SITE_NAME, settings.ACCENT_HUE = "Quiet Gallery", 150
    manifest = client.get("/manifest.webmanifest")
    assert manifest["Content-Type"] == "application/manifest+json"
    body = manifest.json()
    assert body["name"] == "Quiet Gallery"
    for icon in body["icons"]:
        with Image.open(BytesIO(client.get(icon["src"]).content)) as image:
            assert icon["sizes"] == f"{image.width}x{image.height}"
            colour = image.convert("RGB").getpixel((2, 2))
            assert isinstance(colour, tuple)
            red, green, blue = colour
            assert green > red + 60
            assert green > blue + 60
    assert client.get("/icon-64.png").status_code == 404


@pytest.mark.parametrize(("theme", "colours"), [("", 2), ("dark", 1), ("light", 1)])
def test_the_browsers_own_frame_takes_the_colour_of_the_theme(
    client: Client, db: None, theme: str, colours: int
) -> None:
    client.cookies["theme"] = theme
    assert (
        len(re.findall(r'<meta name="theme-color" content="#[0-9a-f]{6}"', client.get("/").content.decode())) == colours
    )
