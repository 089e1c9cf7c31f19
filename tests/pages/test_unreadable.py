"""What nobody can read is refused in words, wherever it is sent: the kinds that `tests/fuzz` found, each by itself."""

import json
import time
from io import BytesIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import STATE_SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from fido2.utils import websafe_encode

from accounts.models import User
from reveweb.held import Utf8Request
from reveweb.login.passkeys import CredentialField
from tests.conftest import PASSWORD

PLACES = ["http://[", "//[", "http://[::1", "http://℀.com/", "https://[x]/", "http://a:b@c:99999999/"]
LOG_IN = "/accounts/2fa/webauthn/login/"


# --- An address to go on to


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/", "/accounts/logout/", LOG_IN])
def test_nobody_is_sent_to_an_address_that_is_none(client: Client, db: None, path: str, place: str) -> None:
    assert client.get(path, {"next": place}).status_code in (200, 302)
    response = client.post(path, {"next": place, "login": "a@example.com", "password": "x"})
    assert response.status_code in (200, 302)
    assert "[" not in response.get("Location", "")


@pytest.mark.parametrize("place", PLACES)
def test_somebody_who_logs_in_goes_home_instead(client: Client, alice: User, place: str) -> None:
    form = {"next": place, "login": alice.email, "password": PASSWORD}
    response = client.post("/accounts/login/", form)
    assert response.status_code == 302
    assert response["Location"].startswith("/")
    for path in ("/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/", "/accounts/logout/"):
        assert client.get(path, {"next": place}).status_code in (200, 302)


# --- A passkey


def credential(**response: Any) -> dict[str, Any]:
    data = websafe_encode(json.dumps({"type": "webauthn.get", "challenge": "AA", "origin": "http://x"}).encode())
    answer = {"clientDataJSON": data, "authenticatorData": websafe_encode(b"\x00" * 37), "signature": "AA"}
    return {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {**answer, **response}}


BROKEN: dict[str, str] = {
    "nothing": "",
    "no JSON": "{",
    "a word": '"x"',
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "empty": "{}",
    "too deep": "[" * 3000,
    "a number without end": '{"id": ' + "9" * 5000 + "}",
    "no response": json.dumps({**credential(), "response": None}),
    "a response that is a list": json.dumps({**credential(), "response": ["x"]}),
    "half a character": '{"id": "\\ud800"}',
    "a NUL": json.dumps({**credential(), "more": "\x00"}),
    "ids that differ": json.dumps({**credential(), "id": "BBBB"}),
    "an id that is no base64": json.dumps({**credential(), "id": "é!", "rawId": "é!"}),
    "an id that is a number": json.dumps({**credential(), "id": 7, "rawId": 7}),
    "client data that is no base64": json.dumps(credential(clientDataJSON="é")),
    "client data that is no JSON": json.dumps(credential(clientDataJSON=websafe_encode(b"\xff{"))),
    "client data that is a list": json.dumps(credential(clientDataJSON=websafe_encode(b"[]"))),
    "client data without a challenge": json.dumps(credential(clientDataJSON=websafe_encode(b"{}"))),
    "short authenticator data": json.dumps(credential(authenticatorData="AA")),
    "broken CBOR": json.dumps(credential(authenticatorData=websafe_encode(b"\x00" * 32 + b"\xc1" + b"\xff" * 40))),
    "nobody's": json.dumps(credential(userHandle=websafe_encode(b"zzzz"))),
    "a handle that is no text": json.dumps(credential(userHandle=websafe_encode(b"\xff\xff"))),
    "a handle beyond all numbers": json.dumps(credential(userHandle=websafe_encode(b"z" * 5000))),
    "a handle that is a list": json.dumps(credential(userHandle=["x"])),
}


@pytest.mark.services
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_passkey_is_a_wrong_one(client: Client, transactional_db: None, name: str) -> None:
    client.get(LOG_IN, headers={"X-Requested-With": "XMLHttpRequest"})
    assert STATE_SESSION_KEY in client.session
    response = client.post(LOG_IN, {"credential": BROKEN[name]})
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/")
    assert isinstance(response.wsgi_request.user, AnonymousUser)


@pytest.mark.services
@pytest.mark.parametrize("name", BROKEN)
def test_nor_is_it_taken_where_somebody_is_logged_in(client: Client, alice: User, name: str) -> None:
    client.force_login(alice)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session.save()
    for path in ("/accounts/2fa/webauthn/add/", "/accounts/2fa/webauthn/reauthenticate/"):
        client.get(path)
        response = client.post(path, {"credential": BROKEN[name], "name": "x"})
        assert response.status_code in (200, 302), path
    assert not Authenticator.objects.exists()


def test_a_whole_one_comes_through_the_field() -> None:
    assert CredentialField().clean(json.dumps(credential())) == credential()


# --- A charset


@pytest.mark.parametrize("charset", ["undefined", "utf-7", "idna", "rot13", "hex", "nonsense", "é"])
def test_a_charset_that_nothing_is_written_in_changes_nothing(charset: str, db: None) -> None:
    kind = f"text/plain; charset={charset}".encode()
    scope = {"method": "GET", "path": "/", "query_string": b"q=%C3%A9", "headers": [(b"content-type", kind)]}
    assert Utf8Request(scope, BytesIO()).GET["q"] == "é"


@pytest.mark.parametrize("charset", ["undefined", "utf-7", "idna", "rot13", "unicode_escape", "latin-1", "nonsense"])
@pytest.mark.parametrize("shape", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_nor_does_it_change_a_form(charset: str, shape: str, db: None) -> None:
    in_parts = '--x\r\nContent-Disposition: form-data; name="q"\r\n\r\né\r\n--x--\r\n'.encode()
    body = in_parts if "multipart" in shape else b"q=%C3%A9"
    headers = [(b"content-type", f"{shape}; charset={charset}".encode()), (b"content-length", str(len(body)).encode())]
    scope = {"method": "POST", "path": "/", "query_string": b"", "headers": headers}
    request = Utf8Request(scope, BytesIO(body))
    request.encoding = charset
    assert request.POST["q"] == "é"


def test_every_request_is_one_in_utf8() -> None:
    from reveweb.asgi import held, pages  # only now: it wants the static files to be there

    assert pages.request_class is held.request_class is Utf8Request


def test_a_query_has_no_nul_which_postgresql_could_not_compare() -> None:
    scope = {"method": "GET", "path": "/", "query_string": b"q=a%00b", "headers": []}
    assert Utf8Request(scope, BytesIO()).GET["q"] == "a\ufffdb"
