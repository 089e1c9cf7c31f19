"""Real answers of every kind against the document: each is in it, body and headers, and nothing in it stays away."""

import asyncio
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from accounts import keys, tokens
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import Plan, Wallet
from generator.ask import forced, limits, pausing, prices
from generator.models import Generation, ImageModel, Operation, PromptRule, Route, Upstream
from generator.upstreams import trouble
from generator.upstreams.errors import OperatorTrouble
from kit.postgresql.outage import DatabaseAway
from reveweb.openapi import document as describe
from tests.api import described
from tests.api.answers import GENERATE, STATUS, links
from tests.driver import working
from tests.environment import free_port
from tests.generator.test_bare import file

pytestmark = [
    pytest.mark.services,
    pytest.mark.usefixtures("images", "sandbox", "unlogged"),
]  # PostgreSQL admits in one statement

PATHS = {"post": GENERATE[0], "get": STATUS[0] + "{image_id}"}
ASKED = {"operation": "create", "model": "text2image_v1", "credits": 1}
ASYNC = {"prompt": "a lighthouse", "async": True}
JSON = {"Content-Type": "application/json"}
Serve = Callable[..., httpx.Response]


class Seen:
    """What was answered so far: codes, and headers, by operation and status."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.document = describe("http://testserver")
        self.codes: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.headers: dict[tuple[str, int], set[str]] = defaultdict(set)

    def post(self, body: Any = None, *, key: str = "", **options: Any) -> Any:
        content = {"json": body} if body is not None else {}
        return self._note("post", self._ask("POST", GENERATE[0], key, **content, **options))

    def get(self, image_id: str = "img_1", *, key: str = "", **options: Any) -> Any:
        return self._note("get", self._ask("GET", STATUS[0] + image_id, key, **options))

    def other(self, of: str, method: str = "PUT") -> Any:
        return self._note(of, self._ask(method, PATHS[of], ""))

    def _ask(self, method: str, path: str, key: str, **options: Any) -> httpx.Response:
        headers = {"Origin": "https://app.example.com"} | ({"Authorization": f"Bearer {key}"} if key else {})
        return self.serve(method, path, headers=headers | options.pop("headers", {}), **options)

    def _note(self, of: str, answer: httpx.Response) -> Any:
        body, status = answer.json(), answer.status_code
        headers = described.check_answer(self.document, PATHS[of], of, status, answer.headers, body)
        self.headers[of, status] |= headers
        self.codes[of, status] |= {body["error"]["code"]} if "error" in body else set()
        return status, body

    def assert_all(self, of: str) -> None:
        """Check that every status, code and header that the document has of an operation was seen."""
        answers = self.document["paths"][PATHS[of]][of]["responses"]
        assert {status for one, status in self.headers if one == of} == set(map(int, answers))
        for status, answer in answers.items():
            told = {name.lower() for name in answer["headers"]} - {"strict-transport-security"}
            assert self.headers[of, int(status)] == told, f"{status}"
            if int(status) >= 400:
                assert self.codes[of, int(status)] == set(answer["content"]["application/json"]["examples"]), status


@pytest.fixture
def seen(serve: Serve) -> Seen:
    return Seen(serve)


def a_key(user: User, rate_limit: int | None = None, cap: int | None = None) -> str:
    key, secret = keys.mint(user=user, name="test", rate_limit=rate_limit)
    ApiKey.objects.filter(pk=key.pk).update(monthly_credit_cap=cap)
    return secret


def breaks(error: Exception) -> Callable[..., Any]:
    def broken(*args: Any, **options: Any) -> Any:
        raise error

    return broken


async def endless() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(2)


def elsewhere(key: str) -> str:
    """Let a key be used from an address that is not ours."""
    ApiKey.objects.filter(prefix=key[:11]).update(allowed_ips=["192.0.2.1"])
    return key


def a_token(user: User) -> str:
    """A browser token of another site's."""
    key, _ = keys.mint(user=user, name="test")
    return tokens.mint(key, origin="https://other.example", seconds=60, credit_cap=1)[1]


def bound(key: str) -> str:
    """Leave a key neither drawing nor looking."""
    ApiKey.objects.filter(prefix=key[:11]).update(scopes=["account"])
    return key


def test_whatever_generate_answers_is_in_the_document_and_nothing_else(
    seen: Seen,
    give: Callable[[int], None],
    bob: User,
    alice: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(40)
    with working():
        for _ in range(2):
            waiting = {"Prefer": "wait=20"}
            assert seen.post({"prompt": "a lighthouse"}, headers={"Idempotency-Key": "one"} | waiting)[0] == 200
            for mode, status in (("fail", 502), ("refuse", 422)):
                body = {"prompt": f"a lighthouse [sandbox:{mode}]"}
                assert seen.post(body, headers={"Idempotency-Key": mode} | waiting)[0] == status
                assert (
                    seen.post(body | {"n": 2}, headers={"Idempotency-Key": f"{mode} all".replace(" ", "-")})[0]
                    == status
                )
        assert seen.post({"prompt": "a lighthouse", "n": 2})[0] == 200
        # What a test key is answered, and can have itself refused with.
        test = keys.mint(user=alice, name="tests", is_test=True, rate_limit=100)[1]
        for words, status in (("", 200), ("[test:fail]", 502), ("[test:refuse]", 422)):
            got, body = seen.post({"prompt": f"a lighthouse {words}"}, key=test)
            assert (got, body["test"]) == (status, True)
    assert seen.post(ASYNC, key=test)[1]["test"] is True
    for name, refusal in forced.REFUSALS.items():
        if not refusal.with_pictures:
            assert seen.post({"prompt": f"[test:{name}]"}, key=test)[1]["error"]["code"] == name
    for _ in range(2):
        headers = {"Idempotency-Key": "two", "Prefer": "respond-async"}
        assert seen.post(ASYNC, headers=headers)[0] == 202
    assert seen.post({**ASYNC, "n": 2})[0] == 202
    assert seen.post({**ASYNC, "n": 2, "dry_run": True})[0] == 200
    assert seen.post({"prompt": "x"}, headers={"Idempotency-Key": "one"})[0] == 409
    # What is wrong with a request.
    for content in (b"{", b""):
        assert seen.post(content=content, headers=JSON)[0] == 400
    assert seen.post(content=b"{", headers={**JSON, "Content-Length": "9"})[0] == 400
    assert seen.post(ASYNC, headers={"Host": "a_b"})[0] == 400
    assert seen.post(ASYNC, headers={"Authorization": ""})[0] == seen.post(ASYNC, key="rv_x")[0] == 401
    assert seen.post({**ASYNC, "padding": "x" * 70_000})[0] == 413
    assert seen.post(data={"prompt": "x"})[0] == seen.post(ASYNC, headers={"Content-Encoding": "gzip"})[0] == 415
    wrongs: list[Any] = [{}, [], {"prompt": ""}, {"prompt": "x", "async": "no"}]
    for wrong in wrongs:
        assert seen.post(wrong)[0] == 422
    assert seen.post(ASYNC, headers={"Idempotency-Key": "a b"})[0] == 422
    assert seen.other("post")[0] == 405
    settings.REQUEST_SECONDS = 0.1
    assert seen.post(content=endless(), headers=JSON)[0] == 408
    settings.REQUEST_SECONDS = 20
    # What keeps somebody from having more.
    poor = a_key(bob)
    wallet = ledger.wallet_of(bob.pk)
    Wallet.objects.filter(pk=wallet.pk).update(
        plan=Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", max_in_flight=1)
    )
    assert [seen.post(ASYNC, key=poor)[0] for _ in range(2)] == [202, 429]
    call_command("grant_credits", bob.email, "-2", "--reason", "test", stdout=io.StringIO())
    assert seen.post(ASYNC, key=poor)[0] == 402
    assert [seen.post(ASYNC, key=a_key(alice, cap=0))[0]] == [402]
    slow = a_key(alice, rate_limit=1)
    assert [seen.post(ASYNC, key=slow)[0] for _ in range(2)] == [202, 429]
    other = a_key(alice)
    ApiKey.objects.filter(prefix=other[:11]).update(image_models=["another"])
    assert seen.post(ASYNC, key=other)[0] == 422
    for key in (bound(a_key(alice)), elsewhere(a_key(alice)), a_token(alice)):
        assert seen.post(ASYNC, key=key)[0] == 403
    # What is wrong here.
    with monkeypatch.context() as patch:
        patch.setattr(limits, "generate_window", breaks(RuntimeError()))
        assert seen.post(ASYNC)[0] == 500
        patch.setattr(limits, "generate_window", breaks(DatabaseAway()))
        assert seen.post(ASYNC)[0] == 503
    address = settings.REDIS_URL
    for settings.REDIS_URL, status in ((f"redis://127.0.0.1:{free_port()}/0", 503), (address, 202)):
        limits._client.cache_clear()
        assert seen.post(ASYNC)[0] == status
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1.0)
    PromptRule.objects.create(text="gun")
    assert seen.post({**ASYNC, "prompt": "a gun"})[0] == 422
    paused = pausing.pause(actor=None, model=None, message="", until=None, reason="a test")
    assert seen.post(ASYNC)[0] == 503
    assert pausing.resume(actor=None, pk=paused.pk, reason="a test")
    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)
    trouble.note(Upstream.objects.get(), OperatorTrouble("402"))
    assert seen.post(ASYNC)[0] == 503
    settings.SECURE_SSL_REDIRECT = True
    assert seen.post(ASYNC)[0] == 403
    seen.assert_all("post")


def test_whatever_a_look_answers_is_in_the_document_and_nothing_else(
    seen: Seen,
    generation: Generation,
    wallet: Wallet,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for stage in Generation.UNFINISHED:
        Generation.objects.update(status=stage)
        assert seen.get(generation.public_id) == (
            200,
            {"id": generation.public_id, "status": "pending", "stage": stage, **links(generation.public_id), **ASKED}
            | ({"queue_position": 1} if stage == "queued" else {}),
        )
    for code in ("prompt_refused", "upstream_failed", "timed_out", "cancelled"):
        Generation.objects.update(status="failed", error_code=code, error_message="No.")
        assert seen.get(generation.public_id)[1]["error"]["code"] == code
    Generation.objects.update(status="queued", error_code="", error_message="")
    with working():
        made = seen.post({"prompt": "a lighthouse"})[1]["id"]
    assert seen.get(made, headers={"Prefer": "wait=1"})[1]["metadata"]["model"]
    assert seen.get("img_1")[0] == seen.get("x" * 99)[0] == 404
    assert seen.get(headers={"Host": "a_b"})[0] == 400
    assert seen.get(headers={"Authorization": ""})[0] == seen.get(key="rv_x")[0] == 401
    for key in (bound(a_key(wallet.user)), elsewhere(a_key(wallet.user)), a_token(wallet.user)):
        assert seen.get(key=key)[0] == 403
    assert seen.other("get")[0] == 405
    with monkeypatch.context() as patch:
        patch.setattr(limits, "take_status_soon", breaks(RuntimeError()))
        assert seen.get()[0] == 500
        patch.setattr(limits, "take_status_soon", breaks(DatabaseAway()))
        assert seen.get()[0] == 503
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 1
    assert 429 in [seen.get()[0] for _ in range(2)]
    settings.SECURE_SSL_REDIRECT = True
    assert seen.get()[0] == 403
    seen.assert_all("get")


def test_what_pictures_are_brought_to_answers_as_the_document_has_it(
    serve: Serve, wallet: Wallet, settings: Any
) -> None:
    model, upstream = ImageModel.objects.get(), Upstream.objects.get(slug="reve")
    ImageModel.objects.update(operations=list(Operation.values))
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
    prices.forget()
    document, picture = describe("http://testserver"), ("a.png", file("PNG"))

    def ask(method: str, path: str, status: int, **options: Any) -> Any:
        own = options.pop("at", path)
        answer = serve(
            method, own, headers={"Origin": "https://app.example.com", **options.pop("headers", {})}, **options
        )
        assert answer.status_code == status, answer.text
        described.check_answer(document, path, method.lower(), status, answer.headers, answer.json())
        return answer.json()

    edit, remix, files, one = (
        f"/v1/{path}" for path in ("reve-image/edit", "reve-image/remix", "files", "files/{file_id}")
    )
    kept = ask("POST", files, 200, files={"file": picture})["id"]
    ask("GET", one, 200, at=f"{files}/{kept}")
    ask("POST", edit, 202, json=ASYNC | {"image": kept})
    ask("POST", edit, 202, data={"prompt": "x", "async": "true"}, files={"image": picture})
    ask("POST", remix, 202, json=ASYNC | {"images": [kept]})
    ask("POST", remix, 402, json=ASYNC | {"images": [kept]})
    for path, body in ((edit, {"image": "img_1"}), (remix, {"images": ["file_1"]}), (edit, {})):
        ask("POST", path, 422, json=ASYNC | body)
    ask("POST", files, 422, files={"image": picture})
    for path in (edit, files):
        ask("POST", path, 400, content=b"x", headers={"Content-Type": "multipart/form-data"})
        ask("POST", path, 413, headers={"Content-Type": "application/json", "Content-Length": "900000000"})
        ask("POST", path, 401, headers={"Authorization": ""})
    ask("DELETE", one, 200, at=f"{files}/{kept}")
    for method in ("GET", "DELETE"):
        ask(method, one, 404, at=f"{files}/{kept}")
    ask("GET", "/v1/models", 200)
    settings.UPLOADS_MAX_BYTES = 1
    ask("POST", files, 422, files={"file": picture})
    settings.UPLOAD_RATE_LIMIT_PER_MINUTE = settings.STATUS_RATE_LIMIT_PER_MINUTE = 1
    for _ in range(2):
        serve("POST", files, files={"file": picture})
        serve("GET", "/v1/models")
    ask("POST", files, 429, files={"file": picture})
    ask("GET", "/v1/models", 429)
    ask("GET", "/v1/models", 401, headers={"Authorization": ""})
    ask("GET", "/v1/models", 429)
    ask("GET", one, 429, at=f"{files}/{kept}")


@pytest.mark.usefixtures("alice")
def test_over_https_and_from_no_page_of_another_site_too(seen: Seen, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 60
    answer = seen.serve("GET", "https://testserver" + STATUS[0] + "img_1")
    assert answer.headers["Strict-Transport-Security"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    described.check_answer(seen.document, PATHS["get"], "get", 404, answer.headers, answer.json())


def test_head_has_the_headers_of_get_and_options_the_methods(seen: Seen, generation: Generation) -> None:
    head = seen.serve("HEAD", STATUS[0] + generation.public_id)
    whole = seen.serve("GET", STATUS[0] + generation.public_id)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers.keys() == whole.headers.keys() | {"content-length"}
    described.check_answer(seen.document, PATHS["get"], "get", 200, head.headers, whole.json())
    for method, path in PATHS.items():
        answer = seen.serve("OPTIONS", path)
        listed = {name.upper() for name in seen.document["paths"][path]}
        assert {*answer.json()["methods"]} == listed | {"OPTIONS"} | ({"HEAD"} if method == "get" else set())
        refused = seen.document["paths"][path][method]["responses"]["405"]["headers"]
        assert {*answer.headers} <= {name.lower() for name in refused} | described.OF_HTTP
