"""Wherever a page, a mail or the docs say what an image costs, they say its price."""

import html
import json
import re
from typing import Any

import pytest
from django.core import mail as post
from django.test import Client

from accounts.models import User
from billing.models import Pack, Plan, Wallet
from billing.outbox import mail
from generator.ask import admission, prices
from generator.ask.admission import ImageRequest
from generator.jobs import lifecycle
from generator.models import ImageModel, Price, Route, Upstream


@pytest.fixture
def plans(transactional_db: None) -> None:
    Plan.objects.create(slug="basic", name="Basic", credits=100, price=900, interval="month", order=1)
    Pack.objects.create(slug="fifty", name="50 credits", credits=50, price=600)


@pytest.fixture
def dear(plans: None) -> ImageModel:
    """The first model, at 2 credits; an edit is 3."""
    model = ImageModel.objects.get()
    ImageModel.objects.update(operations=["create", "edit"])
    Route.objects.get_or_create(model=model, operation="edit", upstream=Upstream.objects.get())
    Price.objects.create(model=model, credits=2)
    Price.objects.create(model=model, operation="edit", credits=3)
    prices.forget()
    return model


def read(client: Client, path: str) -> str:
    text = client.get(path).content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


@pytest.mark.usefixtures("plans")
def test_a_credit_is_an_image_where_everything_costs_one(client: Client) -> None:
    for path in ("/", "/pricing/"):
        page = read(client, path)
        assert "One credit, one image" in page
        assert "1 credit an image, so $0.09 each" in page
        assert "50 images, $0.12 each" in page
    assert "An image costs 1 credit." in read(client, "/")
    assert "1 credit an image" in read(client, "/docs/")
    assert "What an image costs" not in read(client, "/docs/limits/")


@pytest.mark.usefixtures("dear")
@pytest.mark.parametrize("path", ["/", "/pricing/"])
def test_pages_for_strangers_say_from_what_price_on(client: Client, path: str) -> None:
    page = read(client, path)
    assert "From 2 credits an image, so from $0.18 each" in page
    assert "50 credits, $0.12 each" in page
    assert "One credit" not in page
    assert "1 credit" not in page


@pytest.mark.usefixtures("dear")
def test_one_price_for_everything_is_no_lowest_one(client: Client) -> None:
    Price.objects.create(model=ImageModel.objects.get(), credits=3)
    prices.forget()
    assert "3 credits an image, so $0.27 each" in read(client, "/pricing/")


@pytest.mark.usefixtures("dear")
def test_the_docs_list_every_price(client: Client) -> None:
    limits = read(client, "/docs/limits/")
    assert "An image costs from 2 credits" in limits
    assert "text2image_v1 create – – 2 text2image_v1 edit – – 3" in limits
    assert "From 2 credits an image" in read(client, "/docs/")
    told = client.get("/llms.txt").content.decode()
    assert "- Price: text2image_v1, create: 2 credits.\n- Price: text2image_v1, edit: 3 credits." in told


@pytest.mark.usefixtures("dear")
def test_the_studio_says_what_each_count_costs_and_gives_its_script_the_prices(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.get("/create/").content.decode()
    assert [f"Costs {credits} credits." in page for credits in (2, 4, 6, 8)] == [True] * 4
    given = json.loads(html.unescape(re.search(r'data-prices="([^"]*)"', page)[1]))  # type: ignore[index]
    assert given == {"text2image_v1": {"create": {"|": 2}, "edit": {"|": 3}}}
    assert "and an image costs from 2 credits" in read(client, "/dashboard/")


@pytest.mark.usefixtures("dear")
def test_too_few_credits_for_one_image_are_told(client: Client, wallet: Wallet) -> None:
    client.force_login(wallet.user)
    Price.objects.create(model=ImageModel.objects.get(), credits=4)
    prices.forget()
    page = client.get("/create/").content.decode()
    assert re.search(r"data-generate[^>]* hidden>", page)
    form = {"nonce": "0b54a1a4-5a3e-4d0c-8f43-2f2d5a1f7a11", "prompt": "a pier", "aspect_ratio": "1:1", "count": "1"}
    refused = client.post("/create/generate/", form, headers={"Accept": "application/json"})
    assert refused.status_code == 402
    words = "1 image costs 4 credits; you have 3. Nothing was charged. Get more credits."
    assert refused.json()["errors"]["__all__"] == [words]


@pytest.mark.usefixtures("dear")
def test_what_comes_back_is_counted_and_so_is_what_is_used(client: Client, wallet: Wallet) -> None:
    client.force_login(wallet.user)
    generation = admission.admit(wallet=wallet, request=ImageRequest("a pier")).generation
    assert "2 credits" in read(client, "/dashboard/")
    assert "your 2 credits come back at once" in client.get("/create/").content.decode()
    lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    page = read(client, f"/gallery/{generation.public_id}/")
    assert "The brush broke. Your 2 credits were returned." in page
    assert "Credits set aside −2" in page
    assert "Credits returned +2" in page


@pytest.mark.usefixtures("dear")
def test_mails_say_how_many_images_credits_are_enough_for(wallet: Wallet, settings: Any) -> None:
    mail.queue_to("alice@example.com", "low_balance", user=wallet.user, reference="low:1", balance=5)
    mail.queue_to("alice@example.com", "low_balance", user=wallet.user, reference="low:2", balance=1)
    mail.send_due()
    enough, short = [one.body for one in post.outbox if "credit" in one.body][-2:]
    assert "you have 5 credits left, enough for 2 images." in enough
    assert "you have 1 credit left." in short
