"""What no page shows cannot be asked for either: an address filters, sorts and searches by what a list offers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import JSONField, Model
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, User
from accounts.read_only import ListAdmin
from billing.models import OutgoingMail, Plan, Wallet
from billing.outbox import mail
from generator.models import Generation
from tests.admin.conftest import Staff

ADMINS: dict[str, Any] = {model._meta.label_lower: each for model, each in admin.site._registry.items()}
SUFFIXES = ("", "__exact", "__startswith", "__regex", "__contains", "__isnull", "__isempty", "__in", "__gte", "__lt")
SECRET = "https://shop.example/accounts/password/reset/key/1-secret/"

# The columns by which each list offers to filter, all of which it shows; and every way to ask about them.
SPANS = {"began_at", "created_at", "date_joined", "expires_at", "finished_at", "held_at", "last_used_at", "received_at"}
FILTERS = {
    "accounts.apikey": {"revoked_at", "created_at", "last_used_at"},
    "accounts.user": {"wallet__plan__id", "wallet__plan", "date_joined"},
    "billing.auditrecord": {"wallet__id", "created_at"},
    "billing.bulk": {"state", "created_at"},
    "billing.codeoffer": {"kind", "created_at"},
    "billing.creditentry": {"wallet__id", "kind", "created_at"},
    "billing.creditgrant": {"source", "created_at", "expires_at"},
    "billing.creditline": set(),
    "billing.dispute": {"closed_at", "status", "created_at"},
    "billing.heldwelcome": {"reason", "held_at"},
    "billing.order": {"status", "account__id", "account", "created_at"},
    "billing.outgoingmail": {"template", "created_at"},
    "billing.pack": set(),
    "billing.payment": {"wallet__id", "currency", "account__id", "account", "created_at"},
    "billing.plan": set(),
    "billing.price": {"plan__id", "plan", "pack__id", "pack", "account__id", "account"},
    "billing.redemption": {"offer__kind", "offer__id", "wallet__id", "created_at"},
    "billing.staffrefund": {"created_at"},
    "billing.stripeaccount": set(),
    "billing.stripecustomer": {"account__id", "account", "created_at"},
    "billing.stripeevent": {"account__id", "account", "livemode", "received_at", "type"},
    "billing.subscription": {"status", "plan__id", "plan", "account__id", "account"},
    "generator.generation": {
        "id",
        "wallet__id",
        "status",
        "is_test",
        "is_listed",
        "error_code",
        "aspect_ratio",
        "created_at",
        "finished_at",
    },
    "generator.imagemodel": set(),
    "generator.pause": set(),
    "generator.price": {"model__id", "model", "operation"},
    "generator.promptrule": {"kind", "is_active"},
    "generator.report": {"generation__id", "reason", "created_at"},
    "generator.route": {"model__id", "model", "operation", "upstream__id", "upstream", "is_active"},
    "generator.upstream": set(),
    "generator.upstreamtrouble": set(),
    "generator.webhookdelivery": {"wallet__id", "state", "event", "created_at"},
    "generator.webhookendpoint": {"wallet__id", "state", "created_at"},
    "reveweb.alert": {"name", "began_at"},
}


def paths(model: type[Model], hops: int = 2) -> Iterator[str]:
    """Name every column of a model and of what it leads to, forwards and backwards; of JSON also a key within."""
    for field in model._meta.get_fields():
        name = field.name if field.concrete or not field.auto_created else _query_name(field)
        yield name
        if isinstance(field, JSONField):
            yield f"{name}__password_reset_url"
        if field.is_relation and hops and isinstance(field.related_model, type):
            yield from (f"{name}__{below}" for below in paths(field.related_model, hops - 1))


def _query_name(field: Any) -> str:
    return str(field.field.related_query_name())


@pytest.mark.parametrize("label", ADMINS)
def test_an_address_filters_a_list_by_nothing_but_what_it_offers(
    boss: Staff, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = ADMINS[label]
    assert isinstance(each, ListAdmin)
    request = _request(boss)
    offered = set(each._own_lookups(request))
    monkeypatch.setattr(each, "_own_lookups", lambda request: offered)  # found once, not for each of thousands
    asked = [f"{path}{suffix}" for path in paths(each.model) for suffix in SUFFIXES]
    assert len(asked) > 50
    for lookup in asked:
        if each.lookup_allowed(lookup, "a", request):
            column, how = next((lookup.removesuffix(end), end) for end in SUFFIXES[::-1] if lookup.endswith(end))
            assert column in FILTERS[label], lookup
            assert how in ("", "__exact", "__isnull", "__isempty", "__in", "__gte", "__lt"), lookup
            assert column in SPANS or how not in ("__gte", "__lt"), lookup


def _request(who: Staff) -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = who.user
    return request


@pytest.fixture
def reset(alice: User, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> OutgoingMail:
    """A mail that was not sent yet, with a link that opens Sam's account."""
    monkeypatch.setattr(mail, "tell_on_commit", lambda task, pk: None)
    mail.queue_to("sam@example.com", "account/email/password_reset_key", user=alice, password_reset_url=SECRET)
    return OutgoingMail.objects.get()


GUESSES = [
    # list, lookup, what holds of some row, what holds of none
    ("accounts_user", "password__startswith", "argon2", "nothing"),
    ("accounts_user", "password__regex", "^a", "^x"),
    ("accounts_user", "api_keys__digest__gte", "0", "~"),
    ("accounts_user", "wallet__audit_records__actor__password__startswith", "argon2", "nothing"),
    ("accounts_apikey", "user__password__startswith", "argon2", "nothing"),
    ("billing_outgoingmail", "context__password_reset_url__regex", "1-s", "1-x"),
    ("billing_outgoingmail", "context__icontains", "1-secret", "1-xecret"),
    ("billing_outgoingmail", "context__password_reset_url__startswith", "https://shop", "https://x"),
    ("billing_creditentry", "wallet__user__password__startswith", "argon2", "nothing"),
    ("billing_payment", "wallet__generations__prompt__icontains", "lighthouse", "submarine"),
    ("billing_creditgrant", "wallet__user__password__isnull", "0", "1"),
    ("generator_generation", "share_token__startswith", "a", "~"),
]


@pytest.mark.parametrize(("name", "lookup", "right", "wrong"), GUESSES)
def test_a_right_guess_at_a_hidden_column_is_answered_as_a_wrong_one(
    support: Staff,
    finance: Staff,
    boss: Staff,
    reset: OutgoingMail,
    drawn: Generation,
    key: tuple[ApiKey, str],
    name: str,
    lookup: str,
    right: str,
    wrong: str,
) -> None:
    for who in (support, finance, boss):
        answers = [who.client.get(reverse(f"admin:{name}_changelist"), {lookup: guess}) for guess in (right, wrong)]
        assert {answer.status_code for answer in answers} <= {400, 403}
        assert answers[0].status_code == answers[1].status_code
        chosen = {"action": "send_again", "_selected_action": [reset.pk], "select_across": "1"}
        url = f"{reverse(f'admin:{name}_changelist')}?{lookup}={right}"
        assert who.client.post(url, chosen).status_code in (400, 403)  # an act on all that are found finds none


@pytest.mark.parametrize("label", ADMINS)
def test_each_list_refuses_each_hidden_column_before_it_asks_the_database(boss: Staff, label: str) -> None:
    each = ADMINS[label]
    url = reverse(f"admin:{label.replace('.', '_')}_changelist")
    for field in each.model._meta.concrete_fields:
        assert boss.client.get(url, {f"{field.attname}__startswith": "a"}).status_code == 400, field


def test_the_filters_and_links_of_our_own_pages_work(
    boss: Staff, wallet: Wallet, drawn: Generation, reset: OutgoingMail, basic: Plan
) -> None:
    day = timezone.now() - timedelta(days=1)
    for name, query, rows in (
        ("generator_generation", {"id__in": f"{drawn.pk}"}, 1),
        ("generator_generation", {"status__exact": "failed"}, 0),
        ("billing_creditentry", {"created_at__gte": day.isoformat(), "kind__exact": "hold"}, 1),
        ("billing_creditentry", {"wallet__id__exact": wallet.pk}, 3),
        ("billing_auditrecord", {"wallet__id__exact": wallet.pk}, 0),
        ("billing_payment", {"wallet__id__exact": wallet.pk}, 0),
        ("generator_generation", {"wallet__id__exact": wallet.pk}, 1),
        ("billing_outgoingmail", {"state": "waiting"}, 1),
        ("accounts_user", {"wallet__plan__id__exact": f"{basic.pk}", "state": "staff"}, 0),
    ):
        response = boss.client.get(reverse(f"admin:{name}_changelist"), query)
        assert response.status_code == 200
        assert response.context["cl"].result_count == rows


# Columns whose value opens something, or that hold what people wrote for themselves or what came from elsewhere.
HIDDEN = {
    "claim",
    "context",
    "digest",
    "file_token",
    "idempotency_key",
    "last_error",
    "negative_prompt",
    "nonce",
    "password",
    "payload",
    "prompt",
    "request_digest",
    "share_token",
}


@pytest.mark.parametrize("label", ADMINS)
def test_no_list_is_searched_or_sorted_by_what_is_hidden(boss: Staff, label: str) -> None:
    each = ADMINS[label]
    request = _request(boss)
    shown: ChangeList = each.get_changelist_instance(request)
    sorted_by = [shown.get_ordering_field(column) for column in each.list_display]
    names = {str(by).lstrip("-") for by in sorted_by if by}
    names |= {path.lstrip("=^@") for path in each.search_fields}
    for name in names:
        assert not HIDDEN & set(name.split("__")), name
        model = each.model
        for part in name.split("__"):  # what is sorted by a row of another table is sorted as that table is
            if (field := _field(model, part)) and field.is_relation:
                model = field.related_model
                assert not HIDDEN & {str(by).lstrip("-") for by in model._meta.ordering}


def _field(model: type[Model], name: str) -> Any:
    return next((field for field in model._meta.get_fields() if field.name == name), None)


def test_the_columns_that_are_hidden_exist() -> None:
    known = {field.name for each in ADMINS.values() for field in each.model._meta.concrete_fields}
    assert known >= HIDDEN


@pytest.mark.parametrize("label", ADMINS)
def test_no_page_shows_what_opens_something(boss: Staff, label: str) -> None:
    each = ADMINS[label]
    request = _request(boss)
    if label in ("accounts.user", "billing.bulk", "billing.codeoffer"):
        return  # their pages are templates of their own
    fields = {name for name in _flat(each.get_fieldsets(request)) if isinstance(name, str)} | set(each.list_display)
    assert not fields & (HIDDEN - {"last_error", "prompt", "negative_prompt"})


def _flat(fieldsets: Any) -> Iterator[Any]:
    for _, options in fieldsets:
        for field in options["fields"]:
            yield from field if isinstance(field, (list, tuple)) else [field]


@pytest.mark.parametrize("field", ["password", "email", "is_superuser", "last_login"])
def test_nobody_names_a_row_by_another_column(boss: Staff, alice: User, field: str) -> None:
    value = getattr(alice, field)
    listed = boss.client.get(reverse("admin:accounts_user_changelist"), {"_to_field": field, "_popup": "1"})
    assert listed.status_code == 400
    url = reverse("admin:accounts_user_change", args=["x"]).replace("x/", f"{value}/")
    assert boss.client.get(url, {"_to_field": field}).status_code == 404


def test_completing_a_word_finds_what_the_role_lists_and_no_more(
    support: Staff, finance: Staff, alice: User, key: tuple[ApiKey, str]
) -> None:
    url = reverse("admin:autocomplete")
    keys_of = {"app_label": "generator", "model_name": "generation", "field_name": "api_key", "term": alice.email}
    assert finance.client.get(url, keys_of).status_code == 403
    assert "secret" not in support.client.get(url, keys_of).content.decode()
    for field, status in (("password", 403), ("wallet", 403)):
        asked = {"app_label": "accounts", "model_name": "user", "field_name": field, "term": "a"}
        assert support.client.get(url, asked).status_code == status


def test_the_search_for_people_knows_no_hidden_text(support: Staff, alice: User, drawn: Generation) -> None:
    for typed in ("argon2", drawn.prompt, alice.password[:20]):
        assert support.client.get(reverse("admin:search"), {"s": typed}).content.decode().count("alice@") == 0
        listed = support.client.get(reverse("admin:accounts_user_changelist"), {"q": typed})
        assert "alice@example.com" not in listed.content.decode()


def test_staff_are_not_sent_to_rows_by_their_number(support: Staff, alice: User) -> None:
    for number in (alice.pk, 999_999):
        url = reverse("admin:view_on_site", args=[1, number])
        assert support.client.get(url).status_code == 404
