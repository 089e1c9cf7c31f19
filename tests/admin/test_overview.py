"""The first page and the roles themselves."""

import re
import time
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Dispute, OutgoingMail, StripeEvent, Wallet
from billing.staff import roles
from generator.files import standing
from generator.jobs import lifecycle
from generator.models import Generation
from kit import pulse
from reveweb.templatetags.page import commands
from reveweb.watch import figures
from tests.admin.conftest import Staff


def numbers(who: Staff) -> dict[str, int]:
    return {number.label: number.value for number in who.get("index").context["numbers"]}


@pytest.mark.services
def test_it_counts_what_an_operator_wants_to_know(
    boss: Staff, wallet: Wallet, dispute: Dispute, event: StripeEvent, drawn: Generation, generation: Generation
) -> None:
    StripeEvent.objects.update(received_at=timezone.now() - timedelta(minutes=5))
    lifecycle.fail(generation, code="x", message="No")
    OutgoingMail.objects.create(reference="x", to="x@example.com", template="welcome", failed_at=timezone.now())
    assert numbers(boss) == {
        "Stripe events not handled": 1,
        "Open disputes": 1,
        "Mails that failed": 1,
        "Webhook messages given up in 24 hours": 0,
        "Images failed in 24 hours": 1,
        "Credits granted today": 53,
        "Credits spent today": 1,
    }
    for number in boss.get("index").context["numbers"]:
        assert boss.client.get(number.url).status_code == 200, number.url


@pytest.mark.services
def test_what_its_owner_cancelled_is_no_failure(boss: Staff, generation: Generation) -> None:
    assert lifecycle.cancel(generation)
    assert numbers(boss)["Images failed in 24 hours"] == 0


def processes(who: Staff) -> dict[str, tuple[str, bool]]:
    return {each.label: (each.words, each.alarming) for each in who.get("index").context["processes"]}


def test_it_says_when_each_process_was_last_heard(boss: Staff) -> None:
    for name in ("scheduler", "worker", "money"):
        pulse.beat(name)
    redis.Redis.from_url(settings.REDIS_URL).hset(pulse._key(), "money", str(time.time() - 150))
    assert processes(boss) == {
        "Scheduler": ("heard just now", False),
        "Drawing": ("heard just now", False),
        "Payments": ("not heard for 2 minutes", True),
        "Mails and the rest": ("never heard", True),
        "Storage": ("takes images", False),
        "Images": ("none is late", False),
    }


def test_it_says_what_is_wrong_with_the_storage_and_how_much_waits_for_it(boss: Staff, generation: Generation) -> None:
    words = "there is no bucket of that name: make it, or mend S3_BUCKET, S3_REGION or S3_ADDRESSING"
    standing.note(words)
    Generation.objects.update(status="drawing", unstored_since=timezone.now())
    assert processes(boss)["Storage"] == (words, True)
    assert numbers(boss)["Images that storage does not take"] == 1
    standing.note(None)
    assert "Images that storage does not take" not in numbers(boss)


def test_it_says_what_is_due_and_whether_anything_gets_done(boss: Staff, generation: Generation) -> None:
    Generation.objects.update(due_at=timezone.now() - timedelta(seconds=90))
    words, is_alarming = processes(boss)["Images"]
    assert re.fullmatch("oldest due for 9[0-9] seconds, and nothing gets done", words)
    assert is_alarming
    pulse.beat("progress")
    assert re.fullmatch("oldest due for 9[0-9] seconds", processes(boss)["Images"][0])


def test_without_redis_it_says_so(boss: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> dict[str, float]:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(pulse, "heard", away)
    assert processes(boss) == {"Redis": ("cannot be reached, so no process was heard", True)}


def test_it_asks_the_database_little(boss: Staff, drawn: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 30)
    boss.get("index")
    with CaptureQueriesContext(connection) as captured:
        boss.get("index")
    assert len(captured) <= 42  # what was counted for the first one is not counted again


def test_each_role_sees_only_numbers_that_it_may_follow(support: Staff, finance: Staff) -> None:
    assert "Stripe events not handled" not in numbers(support)
    assert "Images failed in 24 hours" not in numbers(finance)


def test_every_permission_of_a_role_exists_and_is_given() -> None:
    known = {f"{app}.{code}" for app, code in Permission.objects.values_list("content_type__app_label", "codename")}
    for name, wanted in roles.ROLES.items():
        assert wanted <= known
        given = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{code}" for app, code in given} == wanted


def test_migrating_brings_the_roles_back_in_line() -> None:
    Group.objects.get(name="support").permissions.clear()
    Group.objects.get(name="finance").delete()
    call_command("migrate", verbosity=0)
    test_every_permission_of_a_role_exists_and_is_given()


def test_support_can_neither_take_nor_give_roles() -> None:
    assert not roles.ROLES["support"] & {"billing.take_credits", "billing.grant_any", "billing.assign_role"}
    assert not roles.ROLES["finance"] & {"billing.assign_role", "billing.suspend_user", "generator.view_generation"}


def test_a_command_is_shown_as_one_and_nothing_else_is_let_through() -> None:
    assert commands("Run `x <y>` & <b>") == 'Run <code class="rw-code">x &lt;y&gt;</code> &amp; &lt;b&gt;'
