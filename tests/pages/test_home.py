"""The landing page, and the way from its prompt box into the studio."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.core import mail
from django.test import Client
from PIL import Image

from accounts.models import User
from billing.models import Plan, Wallet
from generator.ask import drafts
from generator.models import Generation
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
def test_the_prompt_box_leads_through_the_sign_up_to_the_image(
    client: Client, db: None, prompt: str, settings: LazySettings
) -> None:
    asked = client.post("/start/", {"prompt": prompt})
    assert asked["Location"] == "/accounts/signup/?next=%2Fcreate%2F"
    assert "Your prompt is kept" in client.get(asked["Location"]).content.decode()
    answer = sign_up(client, "/create/")
    drawn = Generation.objects.get()
    assert drawn.prompt == prompt
    assert answer.redirect_chain[-1] == (f"/create/?from={drawn}#{drawn}", 302)
    assert words_in_the_studio(answer) == prompt
    assert words_in_the_studio(client.get("/create/")) == ""
    assert (drawn.wallet.balance, Generation.objects.count()) == (settings.WELCOME_CREDITS - 1, 1)


def test_who_has_to_confirm_an_address_first_gets_the_image_then(
    client: Client, db: None, settings: LazySettings
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    client.post("/start/", {"prompt": "A fox"})
    sign_up(client, "/create/")
    assert not Generation.objects.exists()
    link = re.search(r"http://testserver(\S+/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert link
    client.get(link[1])
    client.post(link[1], follow=True)
    client.post("/accounts/login/", {"login": "carol@example.com", "password": PASSWORD}, follow=True)
    assert [one.prompt for one in Generation.objects.all()] == ["A fox"]


@pytest.mark.parametrize("form", [{"idea": "1", "prompt": ""}, {"picture": "fuji"}, {"prompt": " \u200b "}])
def test_what_was_not_sent_to_be_drawn_is_only_taken_up(browser: Client, form: dict[str, str]) -> None:
    assert browser.post("/start/", form, follow=True).status_code == 200
    assert not Generation.objects.exists()


def test_a_press_that_is_sent_twice_is_drawn_once_and_other_words_are_another(browser: Client) -> None:
    nonce = re.search(r'name="nonce" value="([^"]+)"', browser.get("/").content.decode())
    assert nonce
    for prompt in ("A fox", "A fox", "A hare"):
        browser.post("/start/", {"prompt": prompt, "nonce": nonce[1]}, follow=True)
    assert sorted(one.prompt for one in Generation.objects.all()) == ["A fox", "A hare"]


def test_two_pages_that_ask_for_one_press_at_once_draw_it_once(browser: Client) -> None:
    """Both have read the session before either has saved it."""
    browser.post("/start/", {"prompt": "A fox"})
    before = dict(browser.session.items())
    browser.get("/create/")
    session = browser.session
    session.update(before)
    session.save()
    assert browser.get("/create/").status_code == 302
    assert Generation.objects.count() == 1


def test_a_press_is_refused_in_the_usual_words_and_stays_in_the_box(browser: Client, wallet: Wallet) -> None:
    Wallet.objects.update(balance=0)
    wallet.grants.update(remaining=0)
    answer = browser.post("/start/", {"prompt": "A fox"}, follow=True)
    assert "You have no credits left for this image. Nothing was charged." in answer.content.decode()
    assert words_in_the_studio(answer) == "A fox"
    assert not Generation.objects.exists()


def test_a_page_that_is_fetched_ahead_or_looked_at_by_a_robot_draws_nothing(browser: Client) -> None:
    browser.post("/start/", {"prompt": "A fox"})
    browser.head("/create/")
    browser.get("/create/wall/")
    browser.get("/create/", {"prompt": "A hare"}, headers={"Sec-Purpose": "prefetch;prerender"})
    assert not Generation.objects.exists()
    browser.get("/create/")
    assert [one.prompt for one in Generation.objects.all()] == ["A fox"]


def test_an_old_press_is_words_only(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.post("/start/", {"prompt": "A fox"})
    monkeypatch.setattr(drafts, "PRESS_SECONDS", -1)
    assert words_in_the_studio(browser.get("/create/")) == "A fox"
    assert not Generation.objects.exists()


def test_a_visitor_who_has_an_account_logs_in_instead_and_finds_the_same(client: Client, alice: User) -> None:
    client.post("/start/", {"prompt": "A fox"})
    assert "A fox" in client.get("/accounts/login/").content.decode()
    form = {"login": alice.email, "password": PASSWORD, "next": "/create/"}
    assert words_in_the_studio(client.post("/accounts/login/", form, follow=True)) == "A fox"
    assert [one.prompt for one in Generation.objects.all()] == ["A fox"]


def test_whoever_is_logged_in_goes_straight_to_the_studio(browser: Client) -> None:
    answer = browser.post("/start/", {"prompt": "A fox"}, follow=True)
    drawn = Generation.objects.get()
    assert answer.redirect_chain == [("/create/", 302), (f"/create/?from={drawn}#{drawn}", 302)]
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
