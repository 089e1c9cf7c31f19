"""The landing page, and the way from its prompt box into the studio."""

from urllib.parse import parse_qs, urlsplit

from django.conf import LazySettings
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD


def test_it_shows_a_call_to_this_very_instance(client: Client, db: None) -> None:
    assert "curl http://testserver/v1/reve-image/generate" in client.get("/").content.decode()


def test_it_shows_the_public_address_where_one_is_set(client: Client, db: None, settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://images.example.com"
    assert "curl https://images.example.com/v1/" in client.get("/").content.decode()


def test_a_prompt_survives_the_log_in(client: Client, alice: User) -> None:
    asked = client.get("/create/", {"prompt": 'A "fox" & snow'})
    back = parse_qs(urlsplit(asked["Location"]).query)["next"][0]
    response = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD, "next": back}, follow=True)
    assert "A &quot;fox&quot; &amp; snow</textarea>" in response.content.decode()


def test_a_prompt_survives_the_sign_up(client: Client, db: None) -> None:
    login = client.get("/create/", {"prompt": "A fox"}, follow=True).content.decode()
    assert 'href="/accounts/signup/?next=%2Fcreate%2F%3Fprompt%3DA%2Bfox"' in login
    answer = client.post(
        "/accounts/signup/",
        {"email": "carol@example.com", "password1": PASSWORD, "next": "/create/?prompt=A+fox"},
        follow=True,
    )
    assert "A fox</textarea>" in answer.content.decode()
