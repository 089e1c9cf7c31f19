"""What a key may do, chosen on its page, and its tokens in pages of another site."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.test_keys import KEYS, create_key
from tests.installation import Stack

CALL = """async ([address, token]) => {
  const answer = await fetch(address, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ prompt: "a lighthouse" }),
  });
  return [answer.status, await answer.json(), answer.headers.get("X-Credits-Remaining")];
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Shop</title><link rel=icon href=data:,>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    """The origin of a page of somebody else's."""
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_another_site_draws_with_a_token_within_its_cap(visit: Visit, site: Stack, shop: str) -> None:
    visitor = visit(signed_in=True)
    secret = create_key(visitor.page)
    body = {"origin": shop, "credit_cap": 1, "expires_in": 60}
    token = httpx.post(f"{site.url}/v1/tokens", json=body, headers={"Authorization": f"Bearer {secret}"}).json()[
        "token"
    ]
    visitor.watch.expect("402|403")
    page = visitor.context.new_page()
    page.goto(shop)
    address = f"{site.url}/v1/reve-image/generate"
    status, image, left = page.evaluate(CALL, [address, token])
    assert (status, image["status"], left) == (200, "completed", "0")
    assert page.evaluate("async (url) => (await fetch(url)).status", image["url"]) == 200
    status, error, _ = page.evaluate(CALL, [address, token])
    assert (status, error["error"]["code"]) == (402, "key_limit_reached")
    page.goto(shop.replace("localhost", "127.0.0.1"))  # another origin
    status, error, _ = page.evaluate(CALL, [address, token])
    assert (status, error["error"]["code"]) == (403, "origin_not_allowed")
    page.close()


@pytest.mark.parametrize("js", [True, False])
def test_limits_are_chosen_under_what_most_people_leave_closed(visit: Visit, site: Stack, js: bool) -> None:
    visitor = visit(signed_in=True, js=js)
    visitor.watch.expect("422")
    page = visitor.page
    page.goto(KEYS)
    expect(page.get_by_label("Daily credit limit")).not_to_be_visible()
    page.get_by_label("Name").fill("Narrow")
    page.get_by_text("Advanced limits").click()
    page.get_by_label("Daily credit limit").fill("5")
    page.get_by_label("See credits and usage").uncheck()
    page.get_by_label("Allowed IP addresses").fill("192.0.2.0/24\nnonsense")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("“nonsense” is neither an IP address nor a network")).to_be_visible()
    page.get_by_label("Allowed IP addresses").fill("192.0.2.0/24")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("#secret").inner_text().strip()
    answer = httpx.get(f"{site.url}/v1/key", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ip_not_allowed")
    row = page.get_by_role("row", name="Narrow")
    expect(row).to_contain_text("0 of 5 credits today")
    expect(row).to_contain_text("May: Make images, See all images")
    page.get_by_role("link", name="Edit Narrow").click()
    expect(page.get_by_label("Allowed IP addresses")).to_have_value("192.0.2.0/24")
    page.get_by_label("Allowed IP addresses").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(re.compile("“Narrow” is saved"))).to_be_visible()
    told = httpx.get(f"{site.url}/v1/key", headers={"Authorization": f"Bearer {secret}"}).json()
    assert (told["scopes"], told["caps"]["day"]["limit"], told.get("allowed_ips")) == (["generate", "read"], 5, None)


def test_a_test_key_is_chosen_and_told(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto(KEYS)
    page.get_by_label("Name").fill("Trial")
    page.get_by_label(re.compile("^Test")).check()
    page.get_by_role("button", name="Create key").click()
    assert page.locator("#secret").inner_text().strip().startswith("rv_test_")
    expect(page.get_by_role("row", name="Trial")).to_contain_text("Test")
