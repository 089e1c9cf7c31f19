"""Whoever has any id of a person's is led to that person."""

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, User
from billing import identity
from billing.models import Dispute, Order, Payment, Refund, StripeEvent, Subscription, Wallet
from generator.models import Generation
from reveweb.admin import people
from tests.admin.conftest import Staff

PEOPLE = "accounts_user_changelist"


def found(who: Staff, text: str) -> int | None:
    """Search, and return the key of the person whose page the search leads to."""
    response = who.client.get(reverse(f"admin:{PEOPLE}"), {"q": text})
    if response.status_code == 200:
        return None
    return int(response.headers["Location"].rstrip("/").split("/")[-2])


@pytest.mark.services
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no index of parts of words")
def test_a_part_of_a_name_is_looked_for_in_an_index(alice: User) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # for a small table is read whole, as it should
        plan = people.named(User.objects.order_by(), "alice").explain()
    assert "user_letters" in plan


@pytest.mark.services
@pytest.mark.parametrize(
    "text",
    [
        "alice@example.com",
        "  Alice@Example.com ",
        "cus_Alice1",
        "sub_Alice1",
        "pi_Alice1",
        "cs_test_Alice1",
        "cs_test_Open1",
        "checkout:cs_test_Alice1",
        "in_Alice1",
        "dp_Alice1",
        "ch_Alice1",
        "evt_Alice1",
    ],
)
def test_every_id_leads_to_the_person(
    support: Staff,
    alice: User,
    bob: User,
    wallet: Wallet,
    dispute: Dispute,
    subscription: Subscription,
    event: StripeEvent,
    text: str,
) -> None:
    Order.objects.create(
        wallet=wallet, account=subscription.account, stripe_session_id="cs_test_Open1", plan=subscription.plan
    )
    Payment.objects.create(
        wallet=wallet, reference="invoice:in_Alice1", amount=900, currency="usd", description="Basic"
    )
    assert dispute.payment.grant
    Refund.objects.create(grant=dispute.payment.grant, charge="ch_Alice1", refunded=10, paid=500)
    assert found(support, text) == alice.pk


@pytest.mark.services
def test_an_image_leads_to_the_person(support: Staff, alice: User, drawn: Generation) -> None:
    assert found(support, drawn.public_id) == alice.pk
    assert found(support, drawn.credit_reference) == alice.pk


def test_an_api_key_leads_to_its_owner_by_its_prefix_or_whole(
    support: Staff, alice: User, key: tuple[ApiKey, str]
) -> None:
    assert found(support, key[0].prefix) == alice.pk
    assert found(support, key[1]) == alice.pk


@pytest.mark.services
@pytest.mark.parametrize(
    ("data", "leads"),
    [
        ({"object": "invoice", "customer": "cus_Alice1"}, True),
        ({"object": "checkout.session", "client_reference_id": "ACCOUNT"}, False),
        ({"object": "charge", "metadata": {"account": "ACCOUNT"}}, False),  # another site's, which counts as we do
        ({"object": "charge", "metadata": {"account": "ACCOUNT", "installation": "HERE"}}, True),
        ({"object": "dispute", "payment_intent": "pi_Alice1"}, True),
        ({"object": "balance"}, False),
    ],
)
def test_an_event_leads_to_whom_it_is_about(
    support: Staff, wallet: Wallet, payment: Payment, data: dict[str, object], leads: bool
) -> None:
    text = str(data).replace("ACCOUNT", str(wallet.pk)).replace("HERE", identity.installation())
    StripeEvent.objects.create(id="evt_1", type="x", payload={"data": {"object": eval(text)}})
    assert found(support, "evt_1") == (wallet.user_id if leads else None)


@pytest.mark.services
@pytest.mark.parametrize("text", ["cus_Nobody", "rv_00000000", "img_x", "evt_x", "nobody@example.com", "x:y"])
def test_an_unknown_id_finds_nobody(support: Staff, alice: User, text: str) -> None:
    assert found(support, text) is None
    assert "alice@example.com" not in support.text(PEOPLE, query=f"?q={text}")


@pytest.mark.services
@pytest.mark.services
@pytest.mark.parametrize("text", ["alice@", "LICE@exa", "marsh", " Alice Mar", "marsh alice@example.com"])
def test_part_of_an_email_or_name_that_one_person_has_opens_them(
    support: Staff, alice: User, bob: User, text: str
) -> None:
    User.objects.filter(pk=alice.pk).update(name="Alice Marsh")
    assert found(support, text) == alice.pk


@pytest.mark.parametrize("text", ["", " ", "\x00", "nobody of that name"])
def test_a_search_for_nothing_or_nobody_opens_nobody(support: Staff, text: str) -> None:
    assert found(support, text) is None


def test_part_of_an_email_or_name_lists_people(support: Staff, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(name="Robert Alison")
    text = support.text(PEOPLE, query="?q=ali")
    assert "alice@example.com" in text
    assert "bob@example.com" in text


@pytest.mark.services
def test_the_search_of_the_sidebar_finds_people_by_email_and_id(support: Staff, alice: User, drawn: Generation) -> None:
    for typed in ("Alice@", drawn.public_id):
        text = support.client.get("/admin/search/", {"s": typed, "extended": "1"}).content.decode()
        assert reverse("admin:accounts_user_change", args=[alice.pk]) in text


@pytest.mark.services
def test_people_under_dispute_are_listed_and_marked(support: Staff, bob: User, dispute: Dispute) -> None:
    text = support.text(PEOPLE, query="?state=disputed")
    assert "alice@example.com" in text
    assert "bob@example.com" not in text
    assert ">Disputed<" in text
    Dispute.objects.update(closed_at=dispute.created_at)
    assert "alice@example.com" not in support.text(PEOPLE, query="?state=disputed")


@pytest.mark.services
def test_the_suspended_and_staff_can_be_listed(support: Staff, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert "alice@example.com" not in support.text(PEOPLE, query="?state=suspended")
    assert "bob@example.com" in support.text(PEOPLE, query="?state=suspended")
    assert "support@example.com" in support.text(PEOPLE, query="?state=staff")


def test_the_door_is_the_sites_own_log_in(client: Client, alice: User) -> None:
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    client.force_login(alice)
    assert client.get("/admin/", follow=True).status_code == 403


def test_a_user_made_staff_by_command_logs_in_and_sees_the_sites_name(client: Client) -> None:
    call_command("create_user", "kim@example.com", "--password", "quite a long one 7", "--staff", verbosity=0)
    answers = {"login": "kim@example.com", "password": "quite a long one 7", "next": "/admin/"}
    response = client.post("/accounts/login/", answers, follow=True)
    assert response.redirect_chain[-1][0] == "/admin/"
    assert "reveweb admin" in response.content.decode()
