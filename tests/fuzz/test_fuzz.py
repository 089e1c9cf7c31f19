"""Whatever is asked of any address, by whomever: never a 5xx that says that something broke.

`FUZZ=20000 make t T=tests/fuzz` asks so many odd requests of each role; `FUZZ_SEED=17` repeats what a run told.
"""

import asyncio
import logging
import os
import random
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as examples
from hypothesis import strategies as st

from accounts import keys
from accounts.models import User
from billing.models import Dispute, Payment, StripeEvent, Subscription
from billing.staff import acts, roles
from generator.models import Generation
from tests import environment
from tests.admin.conftest import basic, dispute, drawn, event, payment, subscription  # noqa: F401 (fixtures)
from tests.conftest import PASSWORD
from tests.fuzz.odd import Request, draw
from tests.fuzz.serve import Answer, serve
from tests.fuzz.site import Address, addresses, learn

ROLES = ["visitor", "alice", "bob", "support", "finance", "admin", "superuser"]
STAFF = ROLES[3:]
COUNT = int(os.environ.get("FUZZ", "60"))
# A short run is the same each time, so that what it finds was changed just now; a long one goes where none was before.
SEED = int(os.environ.get("FUZZ_SEED", "0")) or (random.randrange(1, 10**9) if os.environ.get("FUZZ") else 17)
DECIDED = {502, 503}  # what the API answers where something behind it is away

pytestmark = [pytest.mark.services, pytest.mark.timeout(900 + COUNT)]


class Site:
    """The site with something in every table, and everybody who may come."""

    def __init__(self, people: dict[str, User], known: dict[str, list[str]], loop: asyncio.AbstractEventLoop) -> None:
        self.people = people
        self.rows = {role: User.objects.filter(pk=user.pk).values().get() for role, user in people.items()}
        self.addresses = addresses(known)
        self.broken: list[str] = []
        self.tracebacks: list[str] = []
        self.loop = loop
        for role, there in (("visitor", "accounts/"), ("alice", ""), ("superuser", "admin/")):
            self._walk(role, [one for one in self.addresses if one.pattern.startswith(there)])

    def cookies(self, role: str) -> dict[str, str]:
        """Return a new log-in of somebody's, who is there again whatever was done to their account."""
        if role not in self.people:
            return {}
        User.objects.update_or_create(pk=self.people[role].pk, defaults=self.rows[role])
        client = Client()
        client.force_login(User.objects.get(pk=self.people[role].pk), settings.AUTHENTICATION_BACKENDS[0])
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time()}]
        session.save()
        return {settings.SESSION_COOKIE_NAME: str(session.session_key)}

    def send(self, request: Request, cookies: dict[str, str]) -> Answer:
        """Send one request, and note whether it broke something."""
        environment.empty_redis()
        self.tracebacks.clear()
        with logged(self.tracebacks):
            try:
                answer = self.loop.run_until_complete(serve(request, cookies))
            except Exception:  # the server would answer 500
                answer = Answer(500)
                self.tracebacks.append(traceback.format_exc())
        if answer.status >= 500 and answer.status not in DECIDED:
            last = "".join((self.tracebacks or [""])[-1].splitlines(keepends=True)[-11:])
            self.broken.append(f"{answer.status} {request}\n{last}")
        return answer

    def _walk(self, role: str, where: list[Address]) -> None:
        """Open every page as somebody, and take down what its forms and links send."""
        cookies = self.cookies(role)
        by_path = {address.first: address for address in self.addresses}
        for address in where:
            if address.first in ("/events/", "/accounts/logout/") or (
                address.pattern.startswith("admin/") and role != "superuser"
            ):
                continue
            answer = self.send(Request(role, "GET", address.first), cookies)
            if answer.status == 200:
                learn(address, answer.html, by_path)


@contextmanager
def logged(into: list[str]) -> Iterator[None]:
    """Collect the tracebacks that are logged meanwhile."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1]:
                into.append("".join(traceback.format_exception(record.exc_info[1])))

    handler, root = Handler(logging.ERROR), logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        yield
    finally:
        root.handlers = before


@pytest.fixture
def site(
    alice: User,
    bob: User,
    sam: User,
    drawn: Generation,  # noqa: F811
    dispute: Dispute,  # noqa: F811
    payment: Payment,  # noqa: F811
    subscription: Subscription,  # noqa: F811
    event: StripeEvent,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    monkeypatch.setattr(settings, "SYNC_WAIT_SECONDS", 0)
    monkeypatch.setattr(settings, "EXPLORE", True)
    roles.sync()
    people = {"alice": alice, "bob": bob, "superuser": sam}
    for role in ("support", "finance", "admin"):
        people[role] = User.objects.create_user(f"{role}@example.com", PASSWORD)
        acts.set_role(actor=sam, user=people[role], role=role, reason="Hired")
    key, _ = keys.mint(user=alice, name="laptop")
    Authenticator.objects.create(user=bob, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "x", "used_mask": 0})
    Generation.objects.filter(pk=drawn.pk).update(share_token="s" * 22)
    known = {
        "public_id": [drawn.public_id],
        "image_id": [drawn.public_id],
        "token": ["s" * 22],
        "file_name": [drawn.file_name],
        "name": ["480.webp", "960.webp", "image.png"],
        "slug": ["quickstart", "generate", "errors"],
        "number": ["1", "2"],
        "size": ["192", "512"],
        "pk": [str(key.pk)],
        "key_id": [str(key.pk)],
        "user_id": [str(alice.pk), str(bob.pk)],
        "payment_id": [str(payment.pk)],
        "app_label": ["billing", "accounts", "generator"],
        "content_type_id": ["1", "7"],
    }
    for model in apps.get_models():
        first = list(model._default_manager.values_list("pk", flat=True)[:2])
        meta = model._meta
        for end in ("change/", "delete/", "history/"):
            known[f"admin/{meta.app_label}/{meta.model_name}/{{object_id}}/{end}:object_id"] = [str(pk) for pk in first]
    known["object_id"] = [str(alice.pk), "1"]
    with asyncio.Runner() as runner:
        yield Site(people, known, runner.get_loop())


# A day in an address is midnight to the admin's filters, which Django says and goes on.
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime:RuntimeWarning")
def test_nothing_breaks(site: Site) -> None:
    """Slow, because it opens each page once to learn its forms, and asks some hundreds of times."""
    for role in ROLES:
        ask(site, role, COUNT)
    if site.broken:
        kinds = [next(iter(group)) for _, group in groupby(sorted(site.broken, key=where), key=where)]
        told = "\n\n".join(kinds)
        pytest.fail(
            f"{len(site.broken)} requests of {len(kinds)} kinds broke something; FUZZ_SEED={SEED}\n\n{told}",
            pytrace=False,
        )


def where(broken: str) -> str:
    """Return what tells one kind of fault from another: the last lines of its traceback."""
    return "\n".join(line for line in broken.splitlines()[-9:] if 'File "' in line) or broken.splitlines()[0]


def ask(site: Site, role: str, count: int) -> None:
    """Send odd requests as somebody, who stays logged in for a few of them at a time."""
    state: dict[str, Any] = {"left": 0}
    mine = [address for address in site.addresses if role in STAFF or not address.pattern.startswith("admin/")]

    @seed(SEED)
    @examples(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=True))
    def send(rng: random.Random) -> None:
        request = draw(rng, role, site.addresses if rng.random() < 0.1 else mine)
        if state["left"] <= 0:
            state["cookies"], state["left"] = site.cookies(role), 10
        state["left"] -= 1
        if request.form and rng.random() < 0.3:  # as browsers do: some pages note in the session what they asked for
            site.send(Request(role, "GET", request.path), state["cookies"])
        site.send(request, state["cookies"])

    send()
