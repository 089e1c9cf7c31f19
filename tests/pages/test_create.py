"""The studio's form: what it starts, what it refuses and in which words, and that nothing is charged twice or lost."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing.models import CreditEntry, CreditGrant, Wallet
from generator.ask import limits
from generator.errors import LimiterUnavailable
from generator.library import sharing
from generator.models import Generation, Upstream
from generator.upstreams import trouble
from generator.upstreams.errors import OperatorTrouble
from tests.conftest import PASSWORD

SEND = "/create/generate/"
SCRIPT = {"Accept": "application/json"}


def fields(**changed: str) -> dict[str, str]:
    return {"nonce": str(uuid4()), "prompt": "a lighthouse", "negative_prompt": "", "aspect_ratio": "3:2", **changed}


def balance(wallet: Wallet) -> int:
    wallet.refresh_from_db()
    return wallet.balance


def test_sending_starts_an_image_and_comes_back_to_the_studio(browser: Client, wallet: Wallet) -> None:
    response = browser.post(SEND, fields(negative_prompt="fog"))
    assert response.status_code == 302
    assert response["Location"] == "/create/"
    generation = Generation.objects.get()
    assert (generation.prompt, generation.negative_prompt, generation.aspect_ratio) == ("a lighthouse", "fog", "3:2")
    assert balance(wallet) == 2
    html = browser.get("/create/").content.decode()
    assert f'id="{generation.public_id}"' in html
    assert re.search(r"<noscript>.*Look again.*</noscript>", html)


def test_the_pages_script_gets_the_card_the_balance_and_a_new_nonce(browser: Client, wallet: Wallet) -> None:
    sent = fields()
    response = browser.post(SEND, sent, headers=SCRIPT)
    body = response.json()
    assert response.status_code == 201
    assert body["balance"] == 2
    assert body["nonce"] != sent["nonce"]
    assert 'data-status="queued"' in body["html"]
    assert 'data-ratio="3:2"' in body["html"]


@pytest.mark.parametrize("headers", [{}, SCRIPT])
def test_a_form_sent_twice_is_charged_once(browser: Client, wallet: Wallet, headers: dict[str, str]) -> None:
    sent = fields()
    first = browser.post(SEND, sent, headers=headers)
    second = browser.post(SEND, sent, headers=headers)
    assert first.status_code in (201, 302)
    assert second.status_code in (200, 302)
    assert Generation.objects.count() == 1
    assert balance(wallet) == 2


def test_four_images_of_one_press_are_four_generations_with_a_credit_each(
    browser: Client, wallet: Wallet, give: Callable[[int], None]
) -> None:
    give(5)
    body = browser.post(SEND, fields(count="4"), headers=SCRIPT).json()
    generations = Generation.objects.order_by("-pk")  # so that the newest first begin with the press's first image
    assert [generation.public_id for generation in generations] == body["ids"]
    assert [CreditEntry.objects.get(reference=one.credit_reference).amount for one in generations] == [-1] * 4
    assert body["balance"] == balance(wallet) == 4
    assert body["html"].count("data-group ") == 1
    assert body["html"].count("data-generation=") == 4


def test_the_studio_and_the_gallery_show_a_press_in_the_same_order(
    browser: Client, give: Callable[[int], None]
) -> None:
    give(9)
    second = browser.post(SEND, fields(count="2"), headers=SCRIPT).json()["ids"]
    first = browser.post(SEND, fields(count="4"), headers=SCRIPT).json()["ids"]
    Generation.objects.update(status="completed", file_extension="png", width=64, height=64)
    for address, each in (
        ("/create/", r'data-generation="(img_\w+)"'),
        ("/gallery/", r'<li class="tile" id="(img_\w+)"'),
    ):
        assert re.findall(each, browser.get(address).content.decode()) == [*first, *second]


@pytest.mark.parametrize("headers", [{}, SCRIPT])
def test_four_images_sent_twice_are_charged_once(
    browser: Client, wallet: Wallet, give: Callable[[int], None], headers: dict[str, str]
) -> None:
    give(9)
    sent = fields(count="4")
    answers = [browser.post(SEND, sent, headers=headers) for _ in range(3)]
    if headers:
        assert [answer.json()["ids"] for answer in answers] == [answers[0].json()["ids"]] * 3
    assert Generation.objects.count() == 4
    assert balance(wallet) == 8


@pytest.mark.parametrize(("first", "then"), [("4", "2"), ("1", "3"), ("2", "1"), ("2", "4")])
def test_a_used_form_with_another_count_is_refused(
    browser: Client, wallet: Wallet, give: Callable[[int], None], first: str, then: str
) -> None:
    give(9)
    sent = fields(count=first)
    browser.post(SEND, sent)
    assert browser.post(SEND, {**sent, "count": then}).status_code == 409
    assert balance(wallet) == 12 - int(first)


def test_a_form_without_a_count_asks_for_one_image(browser: Client, wallet: Wallet) -> None:
    browser.post(SEND, fields())
    assert Generation.objects.count() == 1


def test_too_few_credits_for_all_start_none(browser: Client, wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance=2)
    CreditGrant.objects.filter(wallet=wallet).update(remaining=2)
    answer = browser.post(SEND, fields(count="4"), headers=SCRIPT)
    assert answer.status_code == 402
    assert answer.json()["errors"]["__all__"][0].startswith("4 images cost 4 credits; you have 2. Nothing was charged.")
    assert answer.json()["balance"] == balance(wallet) == 2
    assert not Generation.objects.exists()


def test_a_minute_with_too_little_room_starts_none(
    browser: Client, wallet: Wallet, give: Callable[[int], None], settings: LazySettings
) -> None:
    give(9)
    settings.RATE_LIMIT_PER_MINUTE = 5
    browser.post(SEND, fields(count="3"))
    answer = browser.post(SEND, fields(count="3"), headers=SCRIPT)
    assert answer.status_code == 429
    assert "5 images a minute; 2 are left. Nothing was charged. Choose fewer" in str(answer.json()["errors"])
    assert browser.post(SEND, fields(count="2")).status_code == 302
    assert balance(wallet) == 12 - 5


def test_a_used_form_with_other_words_is_refused_and_can_be_sent_again(browser: Client, wallet: Wallet) -> None:
    sent = fields()
    browser.post(SEND, sent)
    response = browser.post(SEND, {**sent, "prompt": "a castle"})
    html = response.content.decode()
    assert response.status_code == 409
    assert "Press Generate again" in html
    assert "a castle</textarea>" in html
    nonce = re.search(r'name="nonce" value="([^"]+)"', html)
    assert nonce
    assert browser.post(SEND, {**sent, "prompt": "a castle", "nonce": nonce[1]}).status_code == 302
    assert balance(wallet) == 1


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"prompt": ""}, "prompt", "Describe the image you want first."),
        ({"prompt": " \r\n\t "}, "prompt", "Describe the image you want first."),
        ({"prompt": "x" * 4001}, "prompt", "Shorten this to 4,000 characters. It has 4,001 now."),
        ({"prompt": "a\x00b"}, "prompt", "Remove the invisible NUL character"),
        ({"negative_prompt": "x" * 4001}, "negative_prompt", "Shorten this to 4,000 characters."),
        ({"aspect_ratio": "5:4"}, "aspect_ratio", "Choose one of the seven shapes."),
        ({"count": "5"}, "count", "Choose 1 to 4 images."),
        ({"count": "0"}, "count", "Choose 1 to 4 images."),
        ({"count": "-1"}, "count", "Choose 1 to 4 images."),
        ({"count": "9" * 5000}, "count", "Choose 1 to 4 images."),
        ({"count": "1\x00"}, "count", "Choose 1 to 4 images."),
        ({"nonce": ""}, "nonce", "This page was out of date."),
    ],
)
def test_what_is_wrong_is_told_in_words_and_nothing_is_charged(
    browser: Client, wallet: Wallet, changed: dict[str, str], field: str, words: str
) -> None:
    page = browser.post(SEND, fields(**changed))
    assert page.status_code == 422
    assert words in page.content.decode()
    answer = browser.post(SEND, fields(**changed), headers=SCRIPT)
    assert answer.status_code == 422
    assert answer.json()["errors"][field][0].startswith(words)
    assert balance(wallet) == 3


def test_a_line_break_counts_as_one_character(browser: Client, wallet: Wallet) -> None:
    browser.post(SEND, fields(prompt="x\r\n" * 1998 + "end"))
    assert Generation.objects.get().prompt == "x\n" * 1998 + "end"


@pytest.mark.parametrize("prompt", ["灯台" * 2000, "🏮" * 4000, '<script>alert("x")</script>', "‮מגדלור‬"])
def test_any_language_arrives_as_it_was_written(browser: Client, wallet: Wallet, prompt: str) -> None:
    body = browser.post(SEND, fields(prompt=prompt), headers=SCRIPT).json()
    assert Generation.objects.get().prompt == prompt
    assert "<script" not in body["html"]


def test_without_credits_nothing_starts_and_the_words_stay(browser: Client, wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance=0)
    response = browser.post(SEND, fields(prompt="a castle", negative_prompt="fog", aspect_ratio="9:16"))
    html = response.content.decode()
    assert response.status_code == 402
    assert "You have no credits left for this image." in html
    assert "a castle</textarea>" in html
    assert "fog</textarea>" in html
    assert re.search(r'value="9:16" checked', html)
    assert not Generation.objects.exists()


def test_too_many_at_once_says_when_to_come_back(browser: Client, wallet: Wallet, settings: LazySettings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    browser.post(SEND, fields())
    response = browser.post(SEND, fields(), headers=SCRIPT)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "You can start 1 image a minute." in response.json()["errors"]["__all__"][0]
    assert balance(wallet) == 2


def test_without_the_limiter_nothing_is_charged(
    browser: Client, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise LimiterUnavailable

    monkeypatch.setattr(limits, "take", away)
    response = browser.post(SEND, fields())
    assert response.status_code == 503
    assert "Nothing was charged" in response.content.decode()
    assert balance(wallet) == 3


def test_while_nothing_can_be_drawn_nothing_is_taken_on(
    browser: Client, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)
    trouble.note(Upstream.objects.get(), OperatorTrouble("402"))
    response = browser.post(SEND, fields(), headers=SCRIPT)
    assert response.status_code == 503
    assert response["Retry-After"] == "60"
    assert "Nothing was charged" in response.json()["errors"]["__all__"][0]
    assert balance(wallet) == 3
    trouble.put_back("reve")
    assert browser.post(SEND, fields(), headers=SCRIPT).status_code == 201


def test_a_session_that_ended_keeps_the_words(client: Client, alice: User) -> None:
    page = client.post(SEND, fields(prompt="灯" * 4000, aspect_ratio="9:16"), follow=True)
    assert page.redirect_chain == [("/accounts/login/?next=/create/", 302)]
    login = {"login": alice.email, "password": PASSWORD, "next": "/create/"}
    html = client.post("/accounts/login/", login, follow=True).content.decode()
    assert "灯" * 4000 + "</textarea>" in html
    assert re.search(r'value="9:16" checked', html)
    assert "灯灯</textarea>" not in client.get("/create/").content.decode()


def test_the_pages_script_is_told_where_to_log_in(client: Client, db: None) -> None:
    answer = client.post(SEND, fields(), headers=SCRIPT)
    assert answer.status_code == 401
    assert answer.json()["login"] == "/accounts/login/?next=%2Fcreate%2F"


def test_the_forms_address_leads_back_to_the_studio(browser: Client) -> None:
    assert browser.get(SEND)["Location"] == "/create/"


def test_retry_fills_the_form_with_the_same_settings(browser: Client, draw: Callable[..., Generation]) -> None:
    failed = draw("a broken brush", until="failed", negative_prompt="fog", aspect_ratio="9:16")
    page = browser.get("/create/").content.decode()
    assert "The brush broke. Your credit was returned." in page
    assert f'href="/create/?from={failed.public_id}"' in page
    html = browser.get("/create/", {"from": failed.public_id}).content.decode()
    assert "a broken brush</textarea>" in html
    assert "fog</textarea>" in html
    assert re.search(r'value="9:16" checked', html)
    assert re.search(r'<textarea id="prompt"[^>]* autofocus', html)


def test_a_shared_image_is_taken_up(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    shared = draw("a glass harbour", aspect_ratio="2:3")
    sharing.share(shared)
    html = strangers_browser.get("/create/", {"shared": str(shared.share_token)}).content.decode()
    assert "a glass harbour</textarea>" in html
    assert re.search(r'value="2:3" checked', html)


@pytest.mark.parametrize("token", ["", "nothing", "\x00", "x" * 5000])
def test_a_made_up_share_fills_nothing(browser: Client, token: str) -> None:
    assert browser.get("/create/", {"shared": token}).status_code == 200


def test_a_prompt_that_comes_along_waits_for_generate(browser: Client) -> None:
    html = browser.get("/create/", {"prompt": "a pear"}).content.decode()
    assert "a pear</textarea>" in html
    assert re.search(r"<button[^>]* data-generate autofocus", html)
    assert " autofocus" not in browser.get("/create/").content.decode()


def test_what_was_deleted_is_shown_nowhere(browser: Client, draw: Callable[..., Generation]) -> None:
    gone, kept = draw("a secret garden", until="failed"), draw("a lighthouse")
    Generation.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())
    for page in ("/create/", "/create/wall/", f"/create/?from={gone.public_id}"):
        html = browser.get(page).content.decode()
        assert kept.public_id in html
        assert "a secret garden" not in html


def test_images_of_one_press_stand_together(browser: Client, give: Callable[[int], None]) -> None:
    give(9)
    browser.post(SEND, fields(prompt="first", count="2"))
    browser.post(SEND, fields(prompt="second", count="3"))
    html = browser.get("/create/").content.decode()
    assert re.findall(r'data-count="(\d)" data-press="1" data-prompt="(\w+)"', html) == [
        ("3", "second"),
        ("2", "first"),
    ]
    shown = re.findall(r'data-generation="(\w+)"', html)
    first = list(Generation.objects.filter(prompt="first").order_by("-pk").values_list("public_id", flat=True))
    assert shown[3:] == first


@pytest.mark.parametrize(("credits", "words"), [(0, "data-generate hidden"), (3, "data-top-up hidden")])
def test_without_credits_the_button_leads_to_billing(browser: Client, wallet: Wallet, credits: int, words: str) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance=credits)
    html = browser.get("/create/").content.decode()
    assert words in html
    assert re.search(r'<a [^>]*href="/dashboard/billing/"[^>]*data-top-up[^>]*>Get credits to generate', html)


def test_back_never_shows_a_form_that_was_sent(browser: Client) -> None:
    assert "no-store" in browser.get("/create/")["Cache-Control"]


def test_a_strangers_prompt_cannot_be_taken_up(strangers_browser: Client, draw: Callable[..., Generation]) -> None:
    mine = draw("a secret garden")
    assert "a secret garden" not in strangers_browser.get("/create/", {"from": mine.public_id}).content.decode()


def test_a_made_up_shape_in_the_address_is_ignored(browser: Client) -> None:
    html = browser.get("/create/", {"prompt": "x", "aspect_ratio": "5:4"}).content.decode()
    assert re.search(r'value="1:1" checked', html)


def test_the_history_has_the_newest_first_whatever_made_them(
    browser: Client, draw: Callable[..., Generation], api: Any
) -> None:
    first, other, second = draw("first"), draw("from the api", api_key=api.key), draw("second")
    html = browser.get("/create/").content.decode()
    shown = re.findall(r'data-generation="(\w+)"', html)
    assert shown == [second.public_id, other.public_id, first.public_id]
    assert re.findall(r'<section class="group([^"]*)"', html) == [" is-large", "", ""]
    assert html.count('data-press="1"') == 2


def test_the_studio_asks_the_database_as_often_for_many_images_as_for_one(
    browser: Client, draw: Callable[..., Generation], django_assert_num_queries: Any
) -> None:
    draw()
    with django_assert_num_queries(5):
        browser.get("/create/")
    for _ in range(8):
        draw()
    with django_assert_num_queries(5):
        browser.get("/create/")


def test_a_first_visit_opens_the_account_with_the_welcome_credits(browser: Client, alice: User) -> None:
    assert "Your images appear here" in browser.get("/create/").content.decode()
    assert Wallet.objects.get(user=alice).balance == 3
