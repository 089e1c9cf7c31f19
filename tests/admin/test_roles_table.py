"""Who may open which page of the admin, and do what there: two tables, held against every address that there is.

An address or an act that stands in neither fails a test: whoever adds one says here whose it is. Operators read the
same in docs/operating.md. On whom an act may be done is in `test_reach`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin as django_admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import F
from django.http import HttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from accounts.models import ApiKey, User
from billing.admin import bulk
from billing.bulk import drafts, kinds, working
from billing.codes import making, redeeming
from billing.models import (
    AuditRecord,
    Bulk,
    CodeOffer,
    Dispute,
    HeldWelcome,
    Order,
    OutgoingMail,
    Pack,
    Plan,
    Price,
    StaffRefund,
    StripeEvent,
    Subscription,
    Wallet,
)
from billing.staff import acts, refunds
from generator.jobs import trial
from generator.models import (
    Generation,
    ImageModel,
    Pause,
    PromptRule,
    Report,
    Route,
    Upstream,
    UpstreamTrouble,
    WebhookDelivery,
)
from reveweb.watch.models import Alert
from tests.admin.conftest import REASON, Staff

ROLES = ("stranger", "user", "support", "finance", "admin", "superuser")

# The first word is an address, or a table: its list, the pages of its rows, and their history.
PAGES = """
                                 stranger  user  support  finance  admin  superuser
index                               -       -       x        x       x        x
search                              -       -       x        x       x        x
autocomplete                        -       -       x        x       x        x
jsi18n                              -       -       x        x       x        x
app_list                            -       -       x        x       x        x
accounts_user                       -       -       x        x       x        x
accounts_apikey                     -       -       x        -       x        x
generator_generation                -       -       x        -       x        x
generator_upstreamtrouble           -       -       x        -       x        x
generator_webhookdelivery           -       -       x        -       x        x
generator_webhookendpoint           -       -       x        -       x        x
generator_upstream                  -       -       x        x       x        x
generator_upstream_add              -       -       -        -       x        x
upstream_test                       -       -       -        -       x        x
upstream_take_out                   -       -       -        -       x        x
upstream_put_back                   -       -       -        -       x        x
generator_imagemodel                -       -       -        x       x        x
generator_imagemodel_add            -       -       -        -       x        x
generator_route                     -       -       -        x       x        x
generator_route_add                 -       -       -        -       x        x
generator_price                     -       -       -        x       x        x
generator_price_add                 -       -       -        -       x        x
generator_pause                     -       -       x        x       x        x
generator_promptrule                -       -       x        -       x        x
generator_report                    -       -       x        -       x        x
report_keep                         -       -       x        -       x        x
report_take_down                    -       -       x        -       x        x
report_allow                        -       -       x        -       x        x
generator_promptrule_add            -       -       -        -       x        x
promptrule_try                      -       -       x        -       x        x
generator_pause_add                 -       -       -        -       x        x
pause_end                           -       -       -        -       x        x
margin                              -       -       -        x       x        x
doctor                              -       -       -        -       x        x
reveweb_alert                       -       -       -        -       x        x
margin_csv                          -       -       -        x       x        x
books                               -       -       -        x       x        x
books_csv                           -       -       -        x       x        x
books_repair                        -       -       -        -       x        x
billing_auditrecord                 -       -       x        x       x        x
billing_bulk                        -       -       x        x       x        x
bulk_progress                       -       -       x        x       x        x
bulk_report                         -       -       x        x       x        x
billing_creditentry                 -       -       x        x       x        x
billing_creditgrant                 -       -       x        x       x        x
billing_creditline                  -       -       x        x       x        x
billing_dispute                     -       -       x        x       x        x
billing_heldwelcome                 -       -       x        x       x        x
billing_outgoingmail                -       -       x        x       x        x
billing_payment                     -       -       x        x       x        x
billing_staffrefund                 -       -       x        x       x        x
billing_subscription                -       -       x        x       x        x
billing_order                       -       -       -        x       x        x
billing_price                       -       -       -        x       x        x
billing_stripeaccount               -       -       -        x       x        x
billing_stripecustomer              -       -       -        x       x        x
billing_stripeevent                 -       -       -        x       x        x
billing_plan                        -       -       -        x       x        x
billing_pack                        -       -       -        x       x        x
billing_plan_add                    -       -       -        x       x        x
billing_pack_add                    -       -       -        x       x        x
billing_creditgrant_import          -       -       -        x       x        x
billing_codeoffer                   -       -       -        x       x        x
billing_redemption                  -       -       -        x       x        x
code_promo                          -       -       -        x       x        x
code_batch                          -       -       -        x       x        x
code_off                            -       -       -        x       x        x
person_grant                        -       -       x        x       x        x
person_return_credit                -       -       x        x       x        x
person_revoke_key                   -       -       x        -       x        x
person_revoke_keys                  -       -       x        -       x        x
person_take                         -       -       -        x       x        x
person_refund                       -       -       -        x       x        x
person_plan                         -       -       -        x       x        x
person_rate_limit                   -       -       -        x       x        x
person_suspend                      -       -       -        -       x        x
person_restore                      -       -       -        -       x        x
person_role                         -       -       -        -       x        x
person_refunds                      -       -       x        x       x        x
statement_pdf                       -       -       x        x       x        x
view_on_site                        -       -       -        -       -        -
"""

# The first word is an address to which a form is sent, or an act on rows that are chosen in a list. `bulk_…` are steps
# of somebody else's grants to many, of more credits than support may grant.
ACTS = """
                                 stranger  user  support  finance  admin  superuser
person_grant                        -       -       x        x       x        x
person_return_credit                -       -       x        x       x        x
person_revoke_key                   -       -       x        -       x        x
person_revoke_keys                  -       -       x        -       x        x
person_take                         -       -       -        x       x        x
person_refund                       -       -       -        x       x        x
person_plan                         -       -       -        x       x        x
person_rate_limit                   -       -       -        x       x        x
person_suspend                      -       -       -        -       x        x
person_restore                      -       -       -        -       x        x
person_role                         -       -       -        -       x        x
grant_to_selected                   -       -       x        x       x        x
give_after_all                      -       -       x        x       x        x
send_again                          -       -       x        x       x        x
take_off_explore                    -       -       x        -       x        x
try_again                           -       -       -        x       x        x
suspend_selected                    -       -       -        -       x        x
revoke_selected                     -       -       x        -       x        x
bulk_pause                          -       -       x        x       x        x
bulk_resume                         -       -       -        x       x        x
bulk_cancel                         -       -       -        x       x        x
resend_selected                     -       -       x        -       x        x
billing_creditgrant_import          -       -       -        x       x        x
code_promo                          -       -       -        x       x        x
code_batch                          -       -       -        x       x        x
code_off                            -       -       -        x       x        x
billing_plan_add                    -       -       -        x       x        x
billing_plan_change                 -       -       -        x       x        x
billing_pack_add                    -       -       -        x       x        x
billing_pack_change                 -       -       -        x       x        x
upstream_test                       -       -       -        -       x        x
upstream_take_out                   -       -       -        -       x        x
upstream_put_back                   -       -       -        -       x        x
generator_upstream_add              -       -       -        -       x        x
generator_upstream_change           -       -       -        -       x        x
generator_imagemodel_add            -       -       -        -       x        x
generator_imagemodel_change         -       -       -        -       x        x
generator_route_add                 -       -       -        -       x        x
generator_route_change              -       -       -        -       x        x
generator_price_add                 -       -       -        -       x        x
generator_pause_add                 -       -       -        -       x        x
generator_promptrule_add            -       -       -        -       x        x
generator_promptrule_change         -       -       -        -       x        x
report_keep                         -       -       x        -       x        x
report_take_down                    -       -       x        -       x        x
report_allow                        -       -       x        -       x        x
pause_end                           -       -       -        -       x        x
books_repair                        -       -       -        -       x        x
"""

NOBODY = {"add", "delete"}  # of a table that is not named for it above
DOORS = {"login", "logout", "password_change", "password_change_done"}  # everybody's: they are tested with the log-in


def read(table: str) -> dict[str, set[str]]:
    """Return which roles have a cross in each line."""
    head, *lines = (line.split() for line in table.strip().splitlines())
    assert tuple(head) == ROLES
    return {name: {role for role, mark in zip(ROLES, marks, strict=True) if mark == "x"} for name, *marks in lines}


read_pages = lru_cache(maxsize=1)(lambda: read(PAGES))


def registered() -> dict[str, Any]:
    """Return each table of the admin by the beginning of its addresses' names."""
    return {f"{model._meta.app_label}_{model._meta.model_name}": each for model, each in _registry()}


def _registry() -> Any:
    return django_admin.site._registry.items()


def names(patterns: Any = None) -> Iterator[str]:
    """Name every address of the admin. Those without a name lead to a page that has one."""
    for pattern in django_admin.site.urls[0] if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def whose(name: str) -> set[str]:
    """Return which roles may open the address of this name."""
    table, _, page = name.rpartition("_")
    pages = read_pages()
    if name in pages:
        return pages[name]
    if table in registered() and page in NOBODY:
        return set()
    if table in registered() and page in ("changelist", "change", "history"):
        return pages[table]
    raise AssertionError(f"Say in the table of pages who may open {name}.")


@dataclass
class Rows:
    """What pages and acts are tried on: Alice, and something of hers in each table."""

    alice: User
    drawn: Generation
    payment_id: int
    key: ApiKey
    event: StripeEvent
    mail: OutgoingMail
    plan: Plan
    pack: Pack
    upstream: Upstream
    pause: Pause
    offer: CodeOffer
    held: HeldWelcome
    report: Report
    message: WebhookDelivery
    bulk: Bulk


@pytest.fixture
def rows(
    boss: Staff,
    alice: User,
    wallet: Wallet,
    basic: Plan,
    dispute: Dispute,
    event: StripeEvent,
    subscription: Subscription,
    drawn: Generation,
    message: WebhookDelivery,
    key: tuple[ApiKey, str],
) -> Rows:
    UpstreamTrouble.objects.create(upstream="api.reve-art.com", kind="key_refused")
    Order.objects.create(wallet=wallet, account=subscription.account, stripe_session_id="cs_1", plan=basic)
    terms = {"plan": basic, "amount": 900, "currency": "usd", "interval": "month", "credits": 100}
    Price.objects.create(account=subscription.account, stripe_id="price_1", **terms)
    StaffRefund.objects.create(
        payment=dispute.payment, amount=100, reason=REASON, nonce=uuid4(), status=StaffRefund.Status.REFUSED
    )
    Dispute.objects.update(status="won", closed_at=timezone.now())  # what is disputed cannot be refunded
    Subscription.objects.update(status="canceled", ended_at=timezone.now())  # what runs decides on the plan
    failed = {"template": "low_balance", "context": {"balance": 2}, "failed_at": timezone.now()}
    mail = OutgoingMail.objects.create(reference="low_balance:1", wallet=wallet, **failed)
    Generation.objects.filter(pk=drawn.pk).update(is_listed=True, share_token="x" * 22)
    pack = Pack.objects.create(slug="table", name="Table", credits=10, price=500)
    Wallet.objects.filter(pk=wallet.pk).update(plan=None)
    acts.grant(actor=None, wallet=wallet, credits=5, reason=REASON, reference="staff:1")
    address = "http://127.0.0.1:9"  # where nobody answers
    upstream = Upstream.objects.create(slug="spare", name="Spare", dialect="reve_art", base_url=address)
    UpstreamTrouble.objects.create(upstream="spare", kind="out_of_funds")
    PromptRule.objects.create(text="gun")
    pause = Pause.objects.create(model=ImageModel.objects.earliest("pk"))
    offer = making.make_promo(
        actor=None,
        typed="TABLE1",
        most=5,
        terms=making.Terms("Table", 1, timezone.now()),
        reason=REASON,
        nonce=uuid4(),
    )
    redeeming.redeem(user=alice, typed="TABLE1")
    Alert.objects.create(name="disk", words="The disk is nearly full")
    held = HeldWelcome.objects.create(wallet=wallet, reason="network", credits=3)
    grants = drafts.of_rows(
        actor=boss.user, kind=kinds.of(kinds.GRANT), rows=User.objects.filter(pk=alice.pk), source="Table"
    )
    return Rows(
        alice,
        drawn,
        dispute.payment_id,
        key[0],
        event,
        mail,
        basic,
        pack,
        upstream,
        pause,
        offer,
        held,
        Report.objects.create(generation=drawn, reason="other", reporter="x"),
        message,
        grants,
    )


@pytest.fixture
def everybody(
    support: Staff, finance: Staff, admin: Staff, boss: Staff, bob: User, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Client]:
    """A browser for each role. What their pages look like is tested elsewhere: here none is drawn."""
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
    monkeypatch.setattr("reveweb.doctor.kept.begin", lambda: False)  # it would look at this machine for a while
    monkeypatch.setattr("reveweb.pages.errors.render", lambda request, template, status: HttpResponse(status=status))
    user = Client()
    user.force_login(bob)
    staff = {who.user.email.partition("@")[0]: who.client for who in (support, finance, admin)}
    return {"stranger": Client(), "user": user, **staff, "superuser": boss.client}


def address(name: str, rows: Rows) -> str:
    """Return an address of this name that leads to something."""
    table, _, page = name.rpartition("_")
    if name == "view_on_site":
        return reverse("admin:view_on_site", args=[1, rows.alice.pk])
    if name == "app_list":
        return reverse("admin:app_list", args=["billing"])
    if name == "search":
        return f"{reverse('admin:search')}?s=alice"
    if name == "autocomplete":
        asked = "app_label=billing&model_name=auditrecord&field_name=actor&term=alice"
        return f"{reverse('admin:autocomplete')}?{asked}"
    if name.startswith("person_"):
        below: dict[str, dict[str, Any]] = {
            "person_refund": {"payment_id": rows.payment_id},
            "person_return_credit": {"public_id": rows.drawn.public_id},
            "person_revoke_key": {"key_id": rows.key.pk},
        }
        return reverse(f"admin:{name}", kwargs={"user_id": rows.alice.pk, **below.get(name, {})})
    if name == "statement_pdf":
        today = timezone.now().date()
        return reverse("admin:statement_pdf", args=[rows.alice.pk, today.year, today.month])
    if name.startswith("bulk_"):
        return reverse(f"admin:{name}", args=[rows.bulk.pk])
    if name == "code_off":
        return reverse("admin:code_off", args=[rows.offer.pk])
    if name.startswith("upstream_"):
        return reverse(f"admin:{name}", args=[rows.upstream.pk])
    if name in ("report_keep", "report_take_down", "report_allow"):
        return reverse(f"admin:{name}", args=[rows.report.pk])
    if name == "pause_end":
        return reverse("admin:pause_end", args=[rows.pause.pk])
    if table in registered() and page in ("change", "history", "delete"):
        one = registered()[table].model._default_manager.order_by("pk").values_list("pk", flat=True)[0]
        one = rows.alice.pk if table == "accounts_user" else one
        return reverse(f"admin:{name}", args=[one])
    return reverse(f"admin:{name}")


def test_every_address_is_in_the_table() -> None:
    unknown = [name for name in names() if name not in DOORS | set(read(ACTS)) and whose(name) is None]
    assert unknown == []
    known = set(names())
    assert {name for name in read(PAGES) if name not in known} == set(registered())


def test_every_act_is_in_the_table() -> None:
    on_rows = {act for each in registered().values() for act in each.actions or []}
    forms = {name for name in names() if name.startswith("person_") and name != "person_refunds"}
    forms |= {name for name in names() if name.startswith(("upstream_", "code_", "report_"))}
    editable = {name for name in read(ACTS) if name.startswith(("billing_p", "generator_"))}
    tables = ["billing_plan", "billing_pack", "generator_upstream", "generator_imagemodel", "generator_route"]
    tables += ["generator_promptrule"]
    assert editable == {f"{table}_{page}" for table in tables for page in ("add", "change")} | {
        "generator_price_add",
        "generator_pause_add",
    }
    others = {"billing_creditgrant_import", "pause_end", "books_repair", *(f"bulk_{step}" for step in bulk.STEPS)}
    assert set(read(ACTS)) == on_rows | forms | editable | others


@pytest.mark.parametrize("role", ROLES)
def test_those_pages_open_that_the_table_says(role: str, everybody: dict[str, Client], rows: Rows) -> None:
    for name in sorted(set(names()) - DOORS):
        response = everybody[role].get(address(name, rows))
        assert response.status_code in (200, 302, 403, 404), name
        assert (response.status_code == 200) == (role in whose(name)), name
        if role in ("stranger", "user"):
            assert "/login/" in response.headers.get("Location", "") or response.status_code == 403


def test_each_act_is_done_for_whom_the_table_says(
    everybody: dict[str, Client], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refunds, "ask", lambda pk: None)  # on record is enough: Stripe is not asked here
    monkeypatch.setattr("billing.staff.acts.inbox.handle", lambda pk: True)
    monkeypatch.setattr(trial, "run", lambda upstream, what: trial.Outcome(True, "It answers.", 0.1))
    for name, send in SENT.items():
        did = set()
        for role, client in everybody.items():
            with transaction.atomic():  # each finds what the one before it found
                if name == "person_restore":
                    User.objects.filter(pk=rows.alice.pk).update(is_active=False)
                before = AuditRecord.objects.count() + StaffRefund.objects.count()
                response = send(client, rows)
                if AuditRecord.objects.count() + StaffRefund.objects.count() > before:
                    did.add(role)
                    # A test's answer is shown, and codes that were made are sent.
                    assert response.status_code == (200 if name in ("upstream_test", "code_batch") else 302)
                else:
                    assert response.status_code in (302, 403)
                transaction.set_rollback(True)
        assert did == read(ACTS)[name], name


Send = Callable[[Client, Rows], Any]


def _form(name: str, /, **data: object) -> Send:
    def send(client: Client, rows: Rows) -> Any:
        own = {key: value(rows) if callable(value) else value for key, value in data.items()}
        return client.post(address(name, rows), {"nonce": str(uuid4()), "reason": REASON, **own})

    return send


def _chosen(act: str, table: str, which: Callable[[Rows], object], **data: object) -> Send:
    def send(client: Client, rows: Rows) -> Any:
        filled = {"action": act, "_selected_action": [which(rows)], "nonce": str(uuid4()), "reason": REASON}
        return client.post(reverse(f"admin:{table}_changelist"), {**filled, **data})

    return send


def _product(kind: str, page: str, **data: object) -> Send:
    fields = {"name": "New", "credits": "7", "currency": "usd", "active": "on", "order": "9", **data}

    def send(client: Client, rows: Rows) -> Any:
        product = rows.plan if kind == "plan" else rows.pack
        where = reverse(f"admin:billing_{kind}_{page}", args=[product.pk] if page == "change" else [])
        return client.post(where, {**fields, "slug": "new", "reason": REASON})

    return send


def _drawing(table: str, page: str, **data: object) -> Send:
    """Add or change a model, an upstream or a route."""
    kinds: dict[str, Any] = {"imagemodel": ImageModel, "upstream": Upstream, "route": Route, "promptrule": PromptRule}

    def send(client: Client, rows: Rows) -> Any:
        one = kinds[table].objects.order_by("pk").values_list("pk", flat=True)[0]
        where = reverse(f"admin:generator_{table}_{page}", args=[one] if page == "change" else [])
        own = {key: value(rows) if callable(value) else value for key, value in data.items()}
        return client.post(where, {"reason": REASON, **own})

    return send


def _price(client: Client, rows: Rows) -> Any:
    """Confirm what the form shows to a superuser."""
    where, asked = reverse("admin:generator_price_add"), {"operation": "create", "credits": "3", "reason": REASON}
    asked["model"] = str(ImageModel.objects.earliest("pk").pk)
    boss = Client()
    boss.force_login(User.objects.get(is_superuser=True))
    shown: Any = boss.post(where, asked)
    return client.post(where, {**asked, "confirmed": shown.context_data["confirmed"]})


def _import(client: Client, rows: Rows) -> Any:
    """Bring a file, have it checked, and confirm it."""
    lines = f"email,credits,reason\n{rows.alice.email},1,x\n"
    file = SimpleUploadedFile("grants.csv", lines.encode(), "text/csv")
    taken: Any = client.post(reverse("admin:billing_creditgrant_import"), {"import_file": file})
    return _confirmed(client, taken)


def _many(act: str, table: str, which: Callable[[Rows], object]) -> Send:
    """Choose rows, and confirm what is shown of them."""
    choose = _chosen(act, table, which)
    return lambda client, rows: _confirmed(client, choose(client, rows))


def _confirmed(client: Client, taken: Any) -> Any:
    if taken.status_code != 302 or "/bulk/" not in taken.headers["Location"]:
        return taken
    working.run(Bulk.objects.latest("pk").pk)
    return client.post(taken.headers["Location"], {"step": "confirm", "reason": REASON})


def _step(step: str, state: str) -> Send:
    """Take a step with grants of a superuser's."""

    def send(client: Client, rows: Rows) -> Any:
        Bulk.objects.filter(pk=rows.bulk.pk).update(state=state, values={"credits": 21})
        return client.post(reverse("admin:billing_bulk_change", args=[rows.bulk.pk]), {"step": step})

    return send


def _allowed(client: Client, rows: Rows) -> Any:
    Generation.objects.filter(pk=rows.drawn.pk).update(taken_down_at=timezone.now())
    return _form("report_allow")(client, rows)


def _repair(client: Client, rows: Rows) -> Any:
    """Confirm what the page shows of a balance that is off."""
    Wallet.objects.filter(user=rows.alice).update(balance=F("balance") + 1)
    where = f"{reverse('admin:books_repair')}?account={rows.alice.wallet.pk}"
    boss = Client()
    boss.force_login(User.objects.get(is_superuser=True))
    shown: Any = boss.get(where)
    asked = {"nonce": str(uuid4()), "reason": REASON, "shown": shown.context_data["shown"]}
    return client.post(where, asked)


PLAN = {"price": "9.00", "interval": "month", "rate_limit": "5", "max_in_flight": "5"}
UPSTREAM = {"name": "New", "dialect": "reve_art", "key": "k", "priority": "5", "weight": "1"}
RULE = {"kind": "words", "text": "knife", "where": "prompt", "is_active": "on"}
MODEL = {"name": "New", "order": "9", "operations": ["create"], "aspect_ratios": ["1:1"], "is_active": "on"}
SENT: dict[str, Send] = {
    "person_grant": _form("person_grant", credits=1),
    "person_return_credit": _form("person_return_credit"),
    "person_revoke_key": _form("person_revoke_key"),
    "person_revoke_keys": _form("person_revoke_keys"),
    "person_take": _form("person_take", credits=1),
    "person_refund": _form("person_refund", amount="1.00", confirmed=lambda rows: _effect(rows)),
    "person_plan": _form("person_plan", plan=lambda rows: rows.plan.pk),
    "person_rate_limit": _form("person_rate_limit", per_minute=77),
    "person_suspend": _form("person_suspend"),
    "person_restore": _form("person_restore"),
    "person_role": _form("person_role", role="support"),
    "grant_to_selected": _chosen(
        "grant_to_selected", "accounts_user", lambda rows: rows.alice.pk, confirmed="1", credits=1
    ),
    "send_again": _chosen("send_again", "billing_outgoingmail", lambda rows: rows.mail.pk),
    "give_after_all": _chosen("give_after_all", "billing_heldwelcome", lambda rows: rows.held.pk),
    "take_off_explore": _chosen("take_off_explore", "generator_generation", lambda rows: rows.drawn.pk, confirmed="1"),
    "try_again": _chosen("try_again", "billing_stripeevent", lambda rows: rows.event.pk),
    "suspend_selected": _many("suspend_selected", "accounts_user", lambda rows: rows.alice.pk),
    "revoke_selected": _many("revoke_selected", "accounts_apikey", lambda rows: rows.key.pk),
    "resend_selected": _many("resend_selected", "generator_webhookdelivery", lambda rows: rows.message.pk),
    "bulk_pause": _step("pause", "running"),
    "bulk_resume": _step("resume", "paused"),
    "bulk_cancel": _step("cancel", "paused"),
    "billing_creditgrant_import": _import,
    "code_promo": _form("code_promo", code="SPRING24", most="5", credits="1"),
    "code_batch": _form("code_batch", name="Fair", count="2", credits="1"),
    "code_off": _form("code_off"),
    "billing_plan_add": _product("plan", "add", **PLAN),
    "billing_plan_change": _product("plan", "change", **PLAN),
    "billing_pack_add": _product("pack", "add", price="5.00"),
    "billing_pack_change": _product("pack", "change", price="5.00"),
    "upstream_test": _form("upstream_test", what="balance"),
    "upstream_take_out": _form("upstream_take_out"),
    "upstream_put_back": _form("upstream_put_back"),
    "generator_pause_add": _form("generator_pause_add", minutes="60", message="Soon back."),
    "pause_end": _form("pause_end"),
    "report_keep": _form("report_keep"),
    "report_take_down": _form("report_take_down", words="It goes against our rules."),
    "report_allow": lambda client, rows: _allowed(client, rows),
    "generator_promptrule_add": _drawing("promptrule", "add", **RULE),
    "generator_promptrule_change": _drawing("promptrule", "change", **RULE),
    "generator_upstream_add": _drawing("upstream", "add", **UPSTREAM, slug="new", base_url="https://a.example"),
    "generator_upstream_change": _drawing("upstream", "change", **UPSTREAM),
    "generator_imagemodel_add": _drawing("imagemodel", "add", **MODEL, slug="new"),
    "generator_imagemodel_change": _drawing("imagemodel", "change", **MODEL),
    "generator_route_add": _drawing(
        "route",
        "add",
        model=lambda rows: ImageModel.objects.earliest("pk").pk,
        operation="create",
        upstream=lambda rows: rows.upstream.pk,
    ),
    "generator_route_change": _drawing("route", "change", cost="0.04", cost_currency="USD", is_active="on"),
    "generator_price_add": _price,
    "books_repair": _repair,
}


def _effect(rows: Rows) -> str:
    """Return what the page would ask to confirm, as the superuser is asked."""
    boss = Client()
    boss.force_login(User.objects.get(is_superuser=True))
    asked = {"nonce": str(uuid4()), "reason": REASON, "amount": "1.00"}
    shown: Any = boss.post(address("person_refund", rows), asked)
    return " ".join(shown.context_data["effect"])
