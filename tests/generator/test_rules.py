"""The operator's rules for prompts: refused at the one door, whatever protocol, and nothing is charged."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator.ask import admission, prices, rules
from generator.ask.admission import ImageRequest
from generator.errors import PromptNotAllowed, RateLimited
from generator.models import Generation, ImageModel, PromptRule
from tests.billing.books import audit

pytestmark = [pytest.mark.services, pytest.mark.django_db, pytest.mark.usefixtures("images")]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1.0)
    prices.forget()


def rule(text: str, kind: str = "words", **more: Any) -> PromptRule:
    made: PromptRule = PromptRule.objects.create(kind=kind, text=text, **more)
    return made


def ask(wallet: Wallet, prompt: str, **more: Any) -> Generation:
    key = more.pop("idempotency_key", None)
    request = ImageRequest(prompt=prompt, **more)
    return admission.admit(wallet=wallet, request=request, idempotency_key=key).generation


@pytest.mark.parametrize(
    ("kind", "text", "refused", "taken"),
    [
        (
            "words",
            "gun",
            ["a GUN", "gun.", "a—gun!", "a_gun", "__gun__", "ｇｕｎ", "g\u200bu\u00adn", "a\u200bgun"],
            ["a gunship", "begun", "guns"],
        ),
        ("words", "real person, guns", ["a Real\n person here", "guns"], ["a real, tall person", "person"]),
        ("words", "Ärger", ["viel ÄRGER", "a\u0308rger"], ["arger"]),
        ("words", "銃", ["a 銃"], ["本"]),
        ("pattern", r"\bgun(s|ship)?\b", ["Guns", "a gunship", "ｇｕｎ", "g\u2060un"], ["begun"]),
        ("pattern", r"n[o0]t[- ]?ok", ["N0T-OK", "notok"], ["ok"]),
    ],
)
def test_what_a_rule_refuses(kind: str, text: str, refused: list[str], taken: list[str]) -> None:
    rule(text, kind)
    found = rules.read()
    for prompt in refused:
        assert any(found.breaking(prompt, "", "m")), prompt
    for prompt in taken:
        assert not any(found.breaking(prompt, "", "m")), prompt


def test_nothing_is_charged_and_the_rule_counts(wallet: Wallet) -> None:
    made = rule("gun", message="No weapons, please.")
    with pytest.raises(PromptNotAllowed) as error:
        ask(wallet, "a gun")
    assert (error.value.param, str(error.value)) == ("prompt", "No weapons, please")
    assert not Generation.objects.exists()
    made.refresh_from_db()
    assert (made.hits, made.last_hit_at is not None, audit(wallet)) == (1, True, 3)


def test_where_it_holds(wallet: Wallet) -> None:
    model = ImageModel.objects.get()
    rule("gun", where="negative_prompt")
    rule("knife", only_models=["another"])
    rule("sword", is_active=False)
    rule("bow", where="both", only_models=[model.slug])
    for prompt in ("a gun", "a knife", "a sword"):
        assert ask(wallet, prompt)
    for negative in ("no gun", "a bow"):
        with pytest.raises(PromptNotAllowed) as error:
            ask(wallet, "x", negative_prompt=negative)
        assert error.value.param == "negative_prompt"


def test_what_was_admitted_before_a_rule_is_found_again(wallet: Wallet) -> None:
    made = ask(wallet, "a gun", idempotency_key="one")
    rule("gun")
    assert ask(wallet, "a gun", idempotency_key="one") == made


def test_a_refusal_takes_its_place_in_the_limit(wallet: Wallet) -> None:
    wallet.rate_limit = 2
    wallet.save()
    rule("gun")
    for _ in range(2):
        with pytest.raises(PromptNotAllowed):
            ask(wallet, "a gun")
    with pytest.raises(RateLimited):
        ask(wallet, "a gun")


def test_rules_are_compiled_anew_only_when_they_change(django_assert_num_queries: Any) -> None:
    made = rule("gun")
    known = rules.read()
    rules.note(made.pk)
    with django_assert_num_queries(1):
        assert rules.read(known) is known
    made.message = "no"
    made.save()
    assert rules.read(known).rules[0].message == "no"
    known = rules.read()
    later = rule("knife")  # of a machine whose clock is ahead
    PromptRule.objects.filter(pk=later.pk).update(updated_at=timezone.now() + timedelta(seconds=5))
    known = rules.read(known)
    made.message = "not here"
    made.save()
    assert rules.read(known).rules[0].message == "not here"
    made.is_active = False
    made.save()
    assert [one.pk for one in rules.read(known).rules] == [later.pk]


@pytest.mark.parametrize(
    ("kind", "text", "wrong"),
    [
        ("words", " ,; ", "It has no words."),
        ("pattern", "(", "That is no pattern"),
        ("pattern", "x*", "It would refuse every prompt."),
        ("pattern", r"(a)\1", "That is no pattern"),
    ],
)
def test_what_cannot_be_a_rule(kind: str, text: str, wrong: str) -> None:
    assert rules.problem(kind, text).startswith(wrong)


def test_no_pattern_takes_long() -> None:
    rule(r"(a+)+$", "pattern")
    found, began = rules.read(), time.thread_time()
    assert not any(found.breaking("a" * 2000 + "!", "", "m"))
    assert time.thread_time() - began < 3  # what tries all ways takes for ever


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/reve-image/generate", {"prompt": "a gun", "async": True}, 422, "prompt_not_allowed"),
        ("/v1/reve-image/generate", {"prompt": "a gun", "dry_run": True}, 422, "prompt_not_allowed"),
        ("/v1/image/create", {"prompt": "a gun"}, 400, "PROMPT_NOT_ALLOWED"),
    ],
)
@pytest.mark.parametrize("is_test", [False, True])
def test_protocols_say_so(
    client: Client, alice: User, wallet: Wallet, path: str, body: dict[str, Any], status: int, code: str, is_test: bool
) -> None:
    rule("gun", message="No weapons.")
    _, secret = keys.mint(user=alice, name="a program", is_test=is_test)
    answer = client.post(path, body, content_type="application/json", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == status
    assert code in answer.content.decode()
    assert "No weapons" in answer.content.decode()
    assert not Generation.objects.exists()


def test_the_studio_says_so(client: Client, alice: User, wallet: Wallet) -> None:
    rule("gun", message="No weapons.")
    client.force_login(alice)
    answer = client.post(
        "/create/generate/",
        {"prompt": "a gun", "aspect_ratio": "1:1", "count": "1", "nonce": "0" * 32},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 422
    assert "No weapons. Nothing was charged." in answer.content.decode()


def test_asking_for_the_price_is_no_way_to_try_out_the_rules(client: Client, alice: User, wallet: Wallet) -> None:
    made = rule("gun")
    wallet.rate_limit = 2
    wallet.save()
    _, secret = keys.mint(user=alice, name="a program")
    statuses = []
    for _ in range(3):
        answer = client.post(
            "/v1/reve-image/generate",
            {"prompt": "a gun", "dry_run": True},
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )
        statuses.append(answer.status_code)
    assert statuses == [422, 422, 429]
    made.refresh_from_db()
    assert made.hits == 3


def test_it_is_tried_on_the_latest_prompts(wallet: Wallet, give: Callable[[int], None]) -> None:
    give(3)
    for prompt in ("a gun", "a pier", "two guns"):
        ask(wallet, prompt)
    assert rules.would_refuse([rule("gun"), rule("guns")], 200) == (2, 3)
