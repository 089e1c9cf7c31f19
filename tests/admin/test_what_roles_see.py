"""What each role can read anywhere in the admin: every page that it can reach is read for words that it may not see."""

from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, User
from billing.models import Dispute, Order, OutgoingMail, StripeEvent, Subscription, Wallet
from billing.outbox import mail
from billing.staff import acts
from generator.ask import admission
from generator.jobs import lifecycle
from generator.jobs.changes import Useless
from generator.models import Generation, ImageModel, Route, Upstream, UpstreamTrouble
from reveweb.admin import person_actions
from tests.admin.conftest import REASON, Staff, finish

WORK = {"support", "admin", "superuser"}
STRIPE = {"finance", "admin", "superuser"}
ALL = WORK | STRIPE

ROWS = 4  # of each table whose own pages are read, the newest

# Words of Alice's that stand somewhere in the database, and whose pages may have them. docs/operating.md says the same.
SEEN_BY = {
    "promptword": WORK,
    "negativeword": WORK,
    "failureword": WORK,  # what the upstream said of an image that was not made
    "upstreamword": WORK,
    "laptopword": WORK,  # an API key's name
    "203.0.113.77": WORK,  # where it was last used from
    "payloadword": STRIPE,  # of an event
    "upstreamhostword": STRIPE,  # where an upstream is
    "theirmodelword": STRIPE,  # what it calls a model
    "upstreamkeyword": set(),  # what is stored of its key
    "reasonword": ALL,  # why staff did something
    "alice@example.com": ALL,
    "resetword": set(),  # a link that opens an account
    "argon2": set(),  # a password's hash
    "idempotencyword": set(),
    "sharetokenword": set(),
    "claimword": set(),
}


@pytest.fixture
def written(
    boss: Staff,
    alice: User,
    wallet: Wallet,
    dispute: Dispute,
    event: StripeEvent,
    subscription: Subscription,
    drawn: Generation,
    key: tuple[ApiKey, str],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, object]:
    """Write each of them where it belongs."""
    failed = admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="promptword")).generation
    claimed = lifecycle.claim_submission(failed.pk)
    assert claimed
    answer = Useless(502, "No upstreamword today.")
    assert lifecycle.fail(claimed, code="upstream_failed", message="No failureword today.", useless=answer)
    other = finish(admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="promptword")).generation)
    hidden = {"idempotency_key": "idempotencyword", "share_token": "sharetokenword", "claim": "claimword"}
    words = {"prompt": "promptword", "negative_prompt": "negativeword", "api_key": key[0]}
    Generation.objects.filter(pk=drawn.pk).update(**words, **hidden, is_listed=True)
    ApiKey.objects.update(name="laptopword", last_used_ip="203.0.113.77", last_used_at=timezone.now())
    StripeEvent.objects.update(payload={"data": {"object": {"note": "payloadword"}}})
    acts.grant(actor=None, wallet=wallet, credits=5, reason="reasonword", reference="staff:1")
    acts.return_credit(actor=None, wallet=wallet, reference=other.credit_reference, reason="reasonword")
    acts.revoke_keys(actor=None, user=alice, api_keys=[key[0]], reason="reasonword")
    monkeypatch.setattr(mail, "tell_on_commit", lambda task, pk: None)
    link = "https://shop.example/accounts/password/reset/key/1-resetword/"
    mail.queue_to(alice.email, "account/email/password_reset_key", user=alice, password_reset_url=link)
    OutgoingMail.objects.update(failed_at=timezone.now(), last_error="TimeoutError: timed out")
    UpstreamTrouble.objects.create(upstream="api.reve-art.com", kind="key_refused")
    address, stored = "https://upstreamhostword.example", "upstreamkeyword"
    spare = Upstream.objects.create(slug="spare", name="Spare", dialect="reve_art", base_url=address, secret=stored)
    Route.objects.create(model=ImageModel.objects.earliest("pk"), upstream=spare, their_name="theirmodelword")
    Order.objects.create(wallet=wallet, account=subscription.account, stripe_session_id="cs_1", plan=subscription.plan)
    return {"public_id": drawn.public_id, "payment_id": dispute.payment_id, "key_id": key[0].pk}


def addresses(alice: User, names: dict[str, Any]) -> set[str]:
    """Every list, some rows' pages, every act on Alice, and what is found of her."""
    found = {reverse("admin:index"), reverse("admin:accounts_user_change", args=[alice.pk])}
    for model in django_admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        listed = reverse(f"{name}_changelist")
        found |= {listed, f"{listed}?wallet__id__exact={Wallet.objects.get(user=alice).pk}"}
        for pk in model._default_manager.order_by("-pk").values_list("pk", flat=True)[:ROWS]:
            found.add(reverse(f"{name}_change", args=[pk]))
    for act, (below, _) in person_actions.ACTS.items():
        given = {word: value for word, value in names.items() if f":{word}>" in below}
        found.add(reverse(f"admin:{act}", kwargs={"user_id": alice.pk, **given}))
    for word in ("alice@example.com", "promptword", str(names["public_id"])):
        found |= {f"{reverse('admin:search')}?s={word}{more}" for more in ("", "&extended=1")}
    for app, source, field in (("generator", "generation", "api_key"), ("billing", "auditrecord", "actor")):
        query = f"app_label={app}&model_name={source}&field_name={field}&term=alice"
        found.add(f"{reverse('admin:autocomplete')}?{query}")
    return found


def read(who: Staff, addresses: set[str]) -> dict[str, str]:
    """Return what stands on each page that opens."""
    answers = {address: who.client.get(address) for address in addresses}
    return {address: answer.content.decode() for address, answer in answers.items() if answer.status_code == 200}


@pytest.mark.parametrize("role", ["support", "finance", "superuser"])
def test_a_role_reads_what_it_is_promised_and_nothing_else(
    request: pytest.FixtureRequest, role: str, alice: User, written: dict[str, object]
) -> None:
    who: Staff = request.getfixturevalue("boss" if role == "superuser" else role)
    pages = read(who, addresses(alice, written))
    assert len(pages) > 30
    for word, roles in SEEN_BY.items():
        where = sorted(address for address, page in pages.items() if word in page and f"={word}" not in address)
        assert bool(where) == (role in roles), (word, where[:5])


def test_an_act_on_an_image_shows_its_prompt_only_to_who_sees_images(
    finance: Staff, support: Staff, alice: User, written: dict[str, object]
) -> None:
    shown = {
        who.user.email: who.text("person_return_credit", alice.pk, written["public_id"]) for who in (finance, support)
    }
    assert "promptword" in shown[support.user.email]
    assert "promptword" not in shown[finance.user.email]
    assert str(written["public_id"]) in shown[finance.user.email]
    answer = finance.act("person_return_credit", alice.pk, written["public_id"], reason="")  # shown again
    assert "promptword" not in answer.content.decode()
    assert REASON not in answer.content.decode()
