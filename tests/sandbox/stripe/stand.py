"""The stand-in as a real process, a real webhook receiver, and a shop that uses both through Stripe's SDK."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import stripe

from tests import ROOT
from tests.environment import free_port, stop, wait_for_port

SECRET = "whsec_per_install_secret"
KEY = "sk_test_per_install_key"
GOOD, FAILS_LATER, DECLINED, ASKS_LATER = (
    "4242424242424242",
    "4000000000000341",
    "4000000000000002",
    "4000002760003184",
)


class Receiver:
    """A webhook endpoint that verifies as the product does. `answers` are statuses to give before 200s."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.receive(body, self.headers.get("Stripe-Signature", "")))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.server.server_port}/stripe/webhook/"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def receive(self, body: bytes, signature: str) -> int:
        if self.answers and (status := self.answers.pop(0)) != 200:
            return status
        try:
            stripe.Webhook.construct_event(body, signature, SECRET)
            self.events.append(json.loads(body))
        except (ValueError, stripe.SignatureVerificationError) as error:
            self.refused.append(f"{type(error).__name__}: {error}")
            return 400
        return 200

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def take(self, event_type: str) -> dict[str, Any]:
        """Return the newest event of a type."""
        return next(event for event in reversed(self.events) if event["type"] == event_type)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class Stand:
    """One running sandbox."""

    def __init__(self, directory: Path, webhook_url: str, **environment: str) -> None:
        self._directory, self._environment = directory, environment
        self._webhook_url = webhook_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = stripe.StripeClient(
            KEY, base_addresses={"api": self.url}, http_client=stripe.RequestsClient(timeout=20)
        )
        self.v1 = self.client.v1
        self.http = httpx.Client(base_url=self.url, timeout=20)
        self.start()

    def start(self) -> None:
        own = {
            "SANDBOX_PORT": str(self.port),
            "SANDBOX_DIR": str(self._directory),
            "SANDBOX_STRIPE_WEBHOOK_URL": self._webhook_url,
            "SANDBOX_STRIPE_WEBHOOK_SECRET": SECRET,
            "SANDBOX_STRIPE_KEY": KEY,
            **self._environment,
        }
        self._process = subprocess.Popen([sys.executable, "-m", "sandbox"], cwd=ROOT, env={**os.environ, **own})
        wait_for_port(self.port)

    def kill(self) -> None:
        """End the process without a warning."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        stop(self._process)
        self.http.close()

    def desk(self, path: str, **body: Any) -> dict[str, Any]:
        """Do something as the operator; refused requests raise AssertionError."""
        answer = self.http.post(f"/sandbox/stripe/{path}", json=body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def drain(self) -> None:
        """Wait until every delivery has been taken."""
        assert self.desk("deliveries/drain")["pending"] == 0

    def advance(self, days: int) -> None:
        self.desk("clock/advance", days=days)
        self.drain()

    @property
    def now(self) -> int:
        return int(self.http.get("/sandbox/stripe/state").json()["now"])


class Shop:
    """A product with two monthly plans, a yearly one and a credit pack, and a customer."""

    def __init__(self, stand: Stand) -> None:
        v1 = stand.v1
        self.stand = stand
        self.product = v1.products.create({"name": "Basic"}).id
        self.basic = self._price("basic", 900, "month")
        self.plus = self._price("plus", 2900, "month")
        self.yearly = self._price("yearly", 9000, "year")
        self.pack = self._price("pack", 500, None)
        self.customer = v1.customers.create({"email": "alice@example.com", "metadata": {"account": "7"}}).id

    def _price(self, key: str, amount: int, interval: Any) -> str:
        params: Any = {"product": self.product, "currency": "usd", "unit_amount": amount, "lookup_key": key}
        if interval:
            params["recurring"] = {"interval": interval}
        return self.stand.v1.prices.create(params).id

    def session(self, price: str, **more: Any) -> stripe.checkout.Session:
        mode = "payment" if price == self.pack else "subscription"
        params: Any = {
            "mode": mode,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "http://shop.example/done?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://shop.example/pricing",
            **({} if "customer_email" in more else {"customer": self.customer}),
            **more,
        }
        return self.stand.v1.checkout.sessions.create(params)

    def buy(self, price: str, method: str = GOOD, **more: Any) -> stripe.checkout.Session:
        """Pay on the hosted page as a person does, and return the session afterwards."""
        session = self.session(price, **more)
        answer = self.stand.http.post(str(session.url), data={"method": method, "email": "alice@example.com"})
        assert answer.status_code == 303, answer.text
        self.stand.drain()
        return self.stand.v1.checkout.sessions.retrieve(session.id)

    def subscribe(self, method: str = GOOD, price: str = "", **more: Any) -> stripe.Subscription:
        session = self.buy(price or self.basic, method, **more)
        assert isinstance(session.subscription, str)
        return self.subscription(session.subscription)

    def subscription(self, identity: str) -> stripe.Subscription:
        return self.stand.v1.subscriptions.retrieve(identity)

    def charge_of(self, session: stripe.checkout.Session) -> stripe.Charge:
        assert isinstance(session.payment_intent, str)
        return self.stand.v1.charges.list({"payment_intent": session.payment_intent}).data[0]

    def invoices(self) -> list[stripe.Invoice]:
        return self.stand.v1.invoices.list({"customer": self.customer}).data


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return once the condition holds. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)
