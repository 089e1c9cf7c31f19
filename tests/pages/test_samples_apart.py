"""Samples of test keys are kept apart: no page, count, file or audit changes by them, unless it asks for them."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing.ledger import statement
from billing.models import AuditRecord, CreditEntry, CreditLine, OutgoingMail, Wallet
from billing.staff import audit as ledger_audit
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.jobs import caps, engine
from generator.library import listing, margin, selection, showcase, usage, worth
from generator.library.filters import Filters
from generator.models import Attempt, Generation, KeyMonth
from generator.pages import stream
from generator.upstreams import health as upstreams_health
from generator.upstreams import staff
from reveweb import health
from reveweb.admin import cockpit
from reveweb.pages import first_steps
from tests.account.test_export import opened, packed
from tests.admin.conftest import Staff, hire  # noqa: F401 (a fixture)
from tests.pages.conftest import Draw
from tests.streams import pieces_of

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

Status = Generation.Status
PAGES = (
    "/create/",
    "/create/wall/",
    "/gallery/",
    "/gallery/?source=studio",
    "/gallery/?source=api",
    "/gallery/?favourites=1",
    "/gallery/?q=lighthouse",
    "/gallery/count/",
    "/dashboard/",
    "/dashboard/?days=7",
    "/dashboard/usage.csv?days=7",
    "/dashboard/usage.csv?days=90",
    "/dashboard/billing/",
    "/dashboard/billing/history/",
    "/dashboard/billing/history.csv",
    "/dashboard/api-keys/",
    "/account/data/",
    "/account/",
    "/explore/",
    "/",
)
# What is another one each time that a page is shown.
PASSING = re.compile(
    r'name="csrfmiddlewaretoken" value="[^"]+"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|"X-CSRFToken": "[^"]+"'
    r'|data-elapsed="[^"]+"|req_[0-9a-f]{24}'
)


@pytest.fixture
def test_key(wallet: Wallet) -> ApiKey:
    return keys.mint(user=wallet.user, name="tests", is_test=True)[0]


@pytest.fixture
def sample(wallet: Wallet, test_key: ApiKey) -> Callable[..., Generation]:
    """Have something drawn for a test key, or whatever its prompt says."""

    def made(prompt: str = "a lighthouse of glass") -> Generation:
        request = ImageRequest(prompt=prompt)
        generation = admission.admit(wallet=wallet, request=request, api_key=test_key).generation
        engine.send_now()
        return Generation.objects.get(pk=generation.pk)

    return made


def shown(browser: Client) -> dict[str, str]:
    found = {}
    for path in PAGES:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        body = asyncio.run(whole(answer)) if answer.streaming else answer.content
        found[path] = PASSING.sub("", body.decode())
    return found


async def whole(answer: Any) -> bytes:
    return b"".join([piece async for piece in pieces_of(answer)])


def counted(wallet: Wallet, request: Any) -> dict[str, Any]:
    """All that is counted, listed or proved of an account and of the whole site."""
    now = timezone.now()
    since, until = now - timedelta(days=30), now + timedelta(days=1)
    live = list(ApiKey.objects.filter(user=wallet.user, is_test=False))
    watch = stream.Watch(wallet.pk, stream.LogIn("", ""))
    steps = first_steps.of(request, wallet)
    return {
        "usage": {days: usage.of_days(wallet, days) for days in usage.RANGES},
        "margin": margin.report(since, until),
        "worth": worth.of_a_credit(),
        "audit": list(ledger_audit.drifts()),
        "wallet": Wallet.objects.filter(pk=wallet.pk).values().get(),
        "entries": list(CreditEntry.objects.values()),
        "lines": CreditLine.objects.count(),
        "statement": [line.entry.pk for line in statement.page(wallet).lines],
        "months": list(KeyMonth.objects.values()),
        "spent": caps.spent_by_key(ApiKey.objects.all()),
        "attempts": list(Attempt.objects.values()),
        "upstreams": [
            (one.success_rate, one.p50_seconds, one.in_flight, one.last_error) for one in upstreams_health.standing()
        ],
        "waiting": staff.waiting(),
        "due": health.due({}).is_stalled,
        "cockpit": [(name, number.label, number.value) for name, number in cockpit._numbers()],
        "steps": [step.done for step in steps.steps] if steps else None,
        "wall": listing.history(wallet),
        "page": listing.page(wallet),
        "keys": [listing.page(wallet, Filters(source=f"key-{key.pk}")) for key in live],
        "seen": selection.seen(wallet, Filters()),
        "told": stream._statuses(wallet.pk, [watch]),
        "explore": list(showcase.shown()),
        "mails": OutgoingMail.objects.count(),
        "records": AuditRecord.objects.count(),
    }


def test_nothing_counts_or_shows_them(
    browser: Client, draw: Draw, wallet: Wallet, sample: Callable[..., Generation], rf: Any, settings: Any
) -> None:
    settings.EXPLORE = True
    live_key = keys.mint(user=wallet.user, name="live")[0]
    draw()
    draw("a lighthouse over the API", api_key=live_key)
    draw("broken", until="failed")
    request = rf.get("/")
    before, pages = counted(wallet, request), shown(browser)
    made = [sample(), sample("[test:fail]"), sample("[test:pending]")]
    assert [one.status for one in made] == [Status.COMPLETED, Status.FAILED, Status.QUEUED]
    after, pages_after = counted(wallet, request), shown(browser)
    for name, value in before.items():
        assert after[name] == value, name
    for path, page in pages.items():
        assert pages_after[path] == page, path


def test_the_gallery_shows_them_to_who_asks(
    browser: Client, draw: Draw, sample: Callable[..., Generation], test_key: ApiKey
) -> None:
    paid, tested = draw(), sample()
    for source in ("tests", f"key-{test_key.pk}"):
        page = browser.get(f"/gallery/?source={source}").content.decode()
        assert tested.public_id in page
        assert paid.public_id not in page
        assert page.count("tile-test") == 1
    assert 'value="tests"' in browser.get("/gallery/").content.decode()
    counted = browser.get("/gallery/count/?source=tests").json()
    assert counted == {"count": 1, "newest": tested.public_id}


def test_its_page_says_test_and_offers_no_work_with_it(
    browser: Client, draw: Draw, sample: Callable[..., Generation]
) -> None:
    draw()
    first, second = sample("first"), sample("second")
    draw()
    page = browser.get(f"/gallery/{first.public_id}/").content.decode()
    assert '<span class="badge badge-warning">Test</span>' in page
    assert "Nothing charged" in page
    assert f"/gallery/{second.public_id}/?source=tests" in page
    assert 'rel="next"' not in page
    for forbidden in (f"/gallery/{first.public_id}/share/", f"/gallery/{first.public_id}/favourite/", "mode=edit"):
        assert forbidden not in page
    waits = sample("[test:pending]")
    answer = browser.get(f"/gallery/{waits.public_id}/")
    assert (answer.status_code, answer["Location"]) == (302, "/gallery/?source=tests")


def test_they_are_no_favourites_not_shared_and_nothing_is_made_from_them(
    browser: Client, sample: Callable[..., Generation]
) -> None:
    made = sample()
    one = f"/gallery/{made.public_id}/"
    assert browser.post(f"{one}favourite/", {"on": "1"}).status_code == 404
    assert browser.post(f"{one}share/", {"on": "1"}).status_code == 404
    assert browser.post("/gallery/favourites/", {"ids": made.public_id, "on": "1"}).status_code == 404
    assert made.public_id not in browser.get(f"/create/?mode=edit&source={made.public_id}").content.decode()
    made.refresh_from_db()
    assert (made.is_favourite, made.share_token, made.is_listed) == (False, None, False)


def test_they_can_be_downloaded_and_deleted(browser: Client, sample: Callable[..., Generation]) -> None:
    made = sample()
    assert browser.get(f"/gallery/{made.public_id}/download/").status_code == 200
    assert browser.get(made.image_url("")).status_code == 200
    assert browser.post("/gallery/delete/", {"ids": made.public_id}).status_code == 302
    assert made.public_id not in browser.get("/gallery/?source=tests").content.decode()


def test_an_export_tells_of_them_and_has_no_file(alice: User, draw: Draw, sample: Callable[..., Generation]) -> None:
    made = sample()
    archive = opened(packed(alice))
    [told] = json.loads(archive.read("generations.json"))
    assert (told["id"], told["test"], told["file"], told["credits"]) == (made.public_id, True, None, 0)
    assert [name for name in archive.namelist() if name.startswith("images/")] == []


def test_staff_see_what_it_is(
    hire: Callable[[str], Staff],  # noqa: F811
    draw: Draw,
    sample: Callable[..., Generation],
) -> None:
    made = sample()
    admin = hire("admin")
    page = admin.text("generator_generation_change", made.pk)
    assert "Test key tests (rv_test_" in page
    assert "Return it" not in page
    assert admin.get("generator_generation_changelist", query="?is_test__exact=1").status_code == 200
    person = admin.text("accounts_user_change", made.wallet.user_id)
    assert '<span class="rw-badge rw-info">Test</span>' in person
    assert "Return the credit" not in person
