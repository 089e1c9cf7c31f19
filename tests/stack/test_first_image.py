"""What a new user does: start, sign up, take a key, make images, run out."""

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from reveweb.version import VERSION
from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack


def form_token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_up(stack: Stack, email: str) -> httpx.Client:
    browser = httpx.Client(base_url=stack.url, follow_redirects=True, timeout=30)
    token = form_token(browser.get("/accounts/signup/").text)
    answer = browser.post(
        "/accounts/signup/",
        data={"email": email, "password1": "correct horse battery", "csrfmiddlewaretoken": token},
        headers={"Referer": f"{stack.url}/accounts/signup/"},
    )
    assert answer.status_code == 200
    assert "/accounts/" not in answer.url.path, answer.text
    return browser


def create_key(browser: httpx.Client, name: str) -> str:
    form = next(form for form in browser.get("/dashboard/api-keys/").text.split("<form")[1:] if 'name="name"' in form)
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
    chosen: dict[str, list[str]] = {}
    for box in re.findall(r"<input[^>]+\bchecked\b[^>]*>", form):  # as the page has them ticked
        field, value = (re.findall(rf'\b{part}="([^"]*)"', box)[0] for part in ("name", "value"))
        chosen.setdefault(field, []).append(value)
    page = browser.post("/dashboard/api-keys/", data={**hidden, **chosen, "name": name}).text
    found = re.search(r"rv_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", page)
    assert found, page
    return found[0]


def test_a_new_user_signs_up_makes_a_key_and_spends_their_three_credits(stack: Stack) -> None:
    with contextlib.closing(sign_up(stack, "first@example.com")) as browser:
        secret = create_key(browser, "laptop")
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as api:
        waited = api.post("/v1/reve-image/generate", json={"prompt": "a quiet harbour", "aspect_ratio": "3:2"})
        assert waited.status_code == 200
        assert waited.headers["X-Credits-Remaining"] == "2"
        assert waited.json()["metadata"]["prompt"] == "a quiet harbour"

        begun = api.post("/v1/images/generate", json={"prompt": "a loud harbour", "async": True})
        assert begun.status_code == 202
        assert begun.json()["status"] == "pending"
        path = f"/v1/reve-image/status/{begun.json()['id']}/"
        done = wait_until(lambda: (body := api.get(path).json())["status"] != "pending" and body)
        assert done["status"] == "completed"
        assert "sandbox" in done["metadata"]["model"]
        assert httpx.get(done["url"], timeout=60).headers["Content-Type"] == "image/png"

        assert api.post("/v1/reve-image/generate", json={"prompt": "a third"}).status_code == 200
        out = api.post("/v1/reve-image/generate", json={"prompt": "a fourth"})
        assert (out.status_code, out.json()["error"]["code"]) == (402, "insufficient_credits")
    assert stack.balance("first@example.com") == 0


def test_the_eleventh_request_in_a_minute_is_told_when_to_come_back(stack: Stack) -> None:
    with contextlib.closing(sign_up(stack, "eager@example.com")) as browser:
        secret = create_key(browser, "eager")
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as api:
        ask = {"prompt": "x", "async": True}
        codes = [api.post("/v1/reve-image/generate", json=ask).status_code for _ in range(10)]
        limited = api.post("/v1/reve-image/generate", json=ask)
    assert codes == [202] * 3 + [402] * 7
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["Retry-After"]) <= 60


def test_many_wait_at_once_without_a_thread_each(stack: Stack) -> None:
    with stack.developer("crowd@example.com", credits=16) as api, ThreadPoolExecutor(16) as pool:
        ask = {"prompt": "a crowd"}
        codes = list(pool.map(lambda _: api.post("/v1/reve-image/generate", json=ask).status_code, range(16)))
    assert codes == [200] * 16
    assert stack.balance("crowd@example.com") == 3


def test_it_is_ready_only_with_a_live_worker(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/healthz", timeout=60).json() == {"status": "ok", "version": VERSION}
    ready = httpx.get(f"{stack.url}/readyz", timeout=60)
    assert (ready.status_code, ready.json()["checks"]["worker"]) == (200, "ok")
