"""The landing page, and the way from its prompt box into the studio."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.test import Client
from PIL import Image

from accounts.models import User
from billing.models import Plan
from reveweb.pages.landing import pictures
from tests.conftest import PASSWORD

HARD = 'A "red" fox & <b>snow</b> 🦊 “שלום” '


def words_in_the_studio(answer: Any) -> str:
    """Return what the studio's prompt box holds."""
    found = re.search(r'<textarea id="prompt"[^>]*>\n(.*?)</textarea>', answer.content.decode(), re.DOTALL)
    assert found
    return unescape(found[1])


def sign_up(client: Client, next: str) -> Any:
    form = {"email": "carol@example.com", "password1": PASSWORD, "next": next}
    return client.post("/accounts/signup/", form, follow=True)


def test_it_shows_a_call_to_this_very_instance(client: Client, db: None) -> None:
    assert "curl http://testserver/v1/reve-image/generate" in client.get("/").content.decode()


def test_it_shows_the_public_address_where_one_is_set(client: Client, db: None, settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://images.example.com"
    html = client.get("/").content.decode()
    assert html.count("https://images.example.com/v1/reve-image/generate") == 3
    assert "testserver" not in html


def test_a_prompt_survives_the_log_in(client: Client, alice: User) -> None:
    asked = client.get("/create/", {"prompt": 'A "fox" & snow'})
    back = parse_qs(urlsplit(asked["Location"]).query)["next"][0]
    response = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD, "next": back}, follow=True)
    assert words_in_the_studio(response) == 'A "fox" & snow'


def test_a_prompt_in_the_address_survives_the_sign_up(client: Client, db: None) -> None:
    login = client.get("/create/", {"prompt": "A fox"}, follow=True).content.decode()
    assert 'href="/accounts/signup/?next=%2Fcreate%2F%3Fprompt%3DA%2Bfox"' in login
    assert words_in_the_studio(sign_up(client, "/create/?prompt=A+fox")) == "A fox"


@pytest.mark.parametrize("prompt", [HARD.strip(), (HARD * 200)[:3999] + "."])
def test_the_prompt_box_leads_through_the_sign_up_with_every_word_kept(client: Client, db: None, prompt: str) -> None:
    asked = client.post("/start/", {"prompt": prompt})
    assert asked["Location"] == "/accounts/signup/?next=%2Fcreate%2F"
    assert "Your prompt is kept" in client.get(asked["Location"]).content.decode()
    answer = sign_up(client, "/create/")
    assert words_in_the_studio(answer) == prompt
    assert re.search(r"<button[^>]*data-generate[^>]* autofocus", answer.content.decode())
    assert words_in_the_studio(client.get("/create/")) == ""


def test_a_visitor_who_has_an_account_logs_in_instead_and_finds_the_same(client: Client, alice: User) -> None:
    client.post("/start/", {"prompt": "A fox"})
    assert "A fox" in client.get("/accounts/login/").content.decode()
    form = {"login": alice.email, "password": PASSWORD, "next": "/create/"}
    assert words_in_the_studio(client.post("/accounts/login/", form, follow=True)) == "A fox"


def test_whoever_is_logged_in_goes_straight_to_the_studio(browser: Client) -> None:
    answer = browser.post("/start/", {"prompt": "A fox"}, follow=True)
    assert answer.redirect_chain == [("/create/", 302)]
    assert words_in_the_studio(answer) == "A fox"


def test_a_picture_is_taken_up_with_its_shape(browser: Client) -> None:
    answer = browser.post("/start/", {"picture": "fuji", "prompt": "half a sen"}, follow=True)
    assert words_in_the_studio(answer).startswith("Mount Fuji")
    assert re.search(r'value="3:4" checked', answer.content.decode())


def test_an_idea_is_taken_up(browser: Client) -> None:
    answer = browser.post("/start/", {"idea": "1", "prompt": ""}, follow=True)
    assert "“Night Garden”" in words_in_the_studio(answer)


@pytest.mark.parametrize(
    "form",
    [
        {"prompt": "a\x00b"},
        {"prompt": "x" * 100_000},
        {"picture": "../../etc/passwd"},
        {"idea": "-1"},
        {"idea": "9" * 500},
        {},
    ],
)
def test_nonsense_leads_to_a_studio_that_works(browser: Client, form: dict[str, str]) -> None:
    answer = browser.post("/start/", form, follow=True)
    assert answer.status_code == 200
    assert "\x00" not in words_in_the_studio(answer)


def test_the_prompt_box_takes_no_forms_of_other_sites(db: None) -> None:
    assert Client(enforce_csrf_checks=True).post("/start/", {"prompt": "A fox"}).status_code == 403
    assert Client().get("/start/")["Location"] == "/"


def test_every_picture_has_its_place_its_colour_and_its_words(client: Client, db: None) -> None:
    html = client.get("/").content.decode()
    images = re.findall(r"<img [^>]+>", html)
    assert len(images) == len(pictures()) >= 14
    for image in images:
        assert re.search(r'width="\d+" height="\d+" alt="[^"]+"', image)
    assert len([image for image in images if 'fetchpriority="high"' in image]) == 1
    assert len([image for image in images if 'loading="lazy"' in image]) == len(images) - 4
    assert html.count('class="wash"') == len(images)


def test_the_files_are_as_large_as_the_list_says(settings: LazySettings) -> None:
    folder = settings.BASE_DIR / "static" / "img" / "landing"
    for entry in json.loads((folder / "pictures.json").read_text()):
        for name, width in (("", entry["width"]), ("-2x", entry["wide"])):
            with Image.open(folder / f"{entry['name']}{name}.avif") as image:
                assert image.width == width
        with Image.open(folder / f"{entry['name']}.webp") as image:
            assert image.size == (entry["width"], entry["height"])


def test_prices_are_on_the_page_as_the_catalogue_has_them(client: Client, catalogue: None) -> None:
    html = client.get("/").content.decode()
    assert 'id="plan-basic"' in html
    assert "1,000 credits" in html


def test_an_empty_catalogue_has_no_price_section(client: Client, db: None) -> None:
    Plan.objects.all().delete()
    assert 'id="prices"' not in client.get("/").content.decode()
