"""The whole life of a customer over HTTP: this site, its hosted checkout and portal, and really delivered webhooks."""

import contextlib
import re
from typing import Any

import httpx
import pytest

from tests.installation import Stack, wait_until
from tests.stack.test_first_image import create_key, form_token, sign_up

pytestmark = pytest.mark.stack

EMAIL = "customer@example.com"
GOOD, FAILS_LATER = "4242424242424242", "4000000000000341"


class Life:
    """Somebody's browser, and the operator's desk at the stand-in."""

    def __init__(self, stack: Stack, browser: httpx.Client) -> None:
        self.stack, self.browser = stack, browser
        self.stripe = stack.sandbox

    def post(self, path: str, **fields: str) -> httpx.Response:
        token = form_token(self.browser.get("/dashboard/billing/").text)
        data = {**fields, "csrfmiddlewaretoken": token}
        return self.browser.post(path, data=data, follow_redirects=False)

    def buy(self, kind: str, slug: str, card: str = GOOD) -> httpx.Response:
        """Go to the hosted checkout, pay, and come back to the site."""
        hosted = self.post("/dashboard/billing/checkout/", kind=kind, slug=slug)
        assert hosted.status_code == 303, hosted.text
        assert "Simulated" in self.browser.get(hosted.headers["Location"]).text
        paid = self.browser.post(hosted.headers["Location"], data={"card": card}, follow_redirects=False)
        assert paid.status_code == 303, paid.text
        return self.browser.get(paid.headers["Location"])

    def desk(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.stripe}/sandbox/stripe/{path}", json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def listed(self, path: str) -> list[dict[str, Any]]:
        """Ask the stand-in's API, newest first."""
        answer = httpx.get(f"{self.stripe}/v1/{path}", headers={"Authorization": "Bearer sk_test_sandbox"}, timeout=60)
        data: list[dict[str, Any]] = answer.json()["data"]
        return data

    def has(self, credits: int) -> None:
        """Wait until the books say so."""
        wait_until(lambda: self.stack.balance(EMAIL) == credits, 100)

    def page(self) -> str:
        """The billing page as plain words."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.browser.get("/dashboard/billing/").text))


def test_from_sign_up_to_a_resumed_plan(stack: Stack) -> None:
    with contextlib.closing(sign_up(stack, EMAIL)) as browser:
        life = Life(stack, browser)
        secret = create_key(browser, "life")
        with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as api:
            for number in range(3):
                assert api.post("/v1/reve-image/generate", json={"prompt": f"life {number}"}).status_code == 200
            assert api.post("/v1/reve-image/generate", json={"prompt": "life"}).status_code == 402
        life.has(0)

        back = life.buy("plan", "basic", FAILS_LATER)
        assert back.status_code == 200
        life.has(100)
        assert "Basic" in life.page()
        subscription = life.listed("subscriptions")[0]
        life.desk(f"customers/{subscription['customer']}/card", number=GOOD)

        # three months, each with its own credits
        with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as api:
            assert api.post("/v1/reve-image/generate", json={"prompt": "life goes on"}).status_code == 200
        life.has(99)
        for _ in range(3):
            life.desk(f"subscriptions/{subscription['id']}/renew")
            life.has(100)

        # a renewal fails, and recovers
        life.desk(f"customers/{subscription['customer']}/card", number=FAILS_LATER)
        life.desk(f"subscriptions/{subscription['id']}/renew")
        wait_until(lambda: "past" in life.page().lower() or "did not go through" in life.page().lower())
        life.desk(f"customers/{subscription['customer']}/card", number=GOOD)
        life.has(100)

        # a pack, partly refunded, then disputed and lost
        life.buy("pack", "pack-50")
        life.has(150)
        charge = life.listed("charges")[0]
        life.desk(f"charges/{charge['id']}/refund", amount=charge["amount"] // 2)
        life.has(125)
        dispute = life.desk(f"charges/{charge['id']}/dispute")
        life.has(100)
        life.desk(f"disputes/{dispute['id']}/close", won=False)

        # cancelled and resumed in the portal
        portal = life.post("/dashboard/billing/portal/").headers["Location"]
        browser.post(f"{portal}/cancel", data={"subscription": subscription["id"]})
        wait_until(lambda: "ends on" in life.page().lower())
        browser.post(f"{portal}/resume", data={"subscription": subscription["id"]})
        wait_until(lambda: "ends on" not in life.page().lower())
        assert stack.balance(EMAIL) == 100
    assert "no drift" in stack.manage("audit_ledger")
    assert "The books agree" in stack.manage("reconcile_stripe")
