"""The list of alerts: what alarmed, who was told of it, and whether that reached them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import OutgoingMail
from reveweb.watch.models import Alert, AlertCall
from tests.admin.conftest import Staff

LIST = "reveweb_alert_changelist"


@pytest.fixture
def over(settings: Any) -> Alert:
    settings.ALERT_EMAILS = ["ops@example.com"]
    now = timezone.now()
    alert = Alert.objects.create(name="disk", words="The disk is full", told_at=now, ended_at=now)
    OutgoingMail.objects.create(
        to="ops@example.com", template="alert_began", reference=f"alert:{alert.pk}:began:0", sent_at=now
    )
    AlertCall.objects.create(alert=alert, kind=AlertCall.Kind.BEGAN, failed_at=now, last_error="ConnectTimeout")
    return alert


@pytest.mark.services
def test_it_says_who_was_told_and_whether_that_reached_them(boss: Staff, over: Alert) -> None:
    for text in (boss.text(LIST), boss.text("reveweb_alert_change", over.pk)):
        assert "ops@example.com: " in text
        assert "given up: ConnectTimeout" in text
        assert "Over" in text


@pytest.mark.services
def test_many_who_were_mailed_are_counted_in_the_list_and_named_on_its_page(
    boss: Staff, over: Alert, settings: Any
) -> None:
    settings.ALERT_EMAILS = [f"ops{number}@example.com" for number in range(9)]
    for number in range(1, 9):
        reference = f"alert:{over.pk}:began:{number}"
        ended = {"failed_at" if number == 3 else "sent_at": timezone.now()}
        OutgoingMail.objects.create(to=f"ops{number}@example.com", template="alert_began", reference=reference, **ended)
    assert "8 sent, 1 given up" in boss.text(LIST)
    assert "ops8@example.com" not in boss.text(LIST)
    assert "ops8@example.com" in boss.text("reveweb_alert_change", over.pk)


@pytest.mark.services
def test_a_page_of_many_asks_no_more_than_a_page_of_one(
    boss: Staff, over: Alert, django_assert_max_num_queries: Any
) -> None:
    began = timezone.now() - timedelta(days=1)
    ended = {"began_at": began, "told_at": began, "ended_at": began}
    Alert.objects.bulk_create(Alert(name="disk", words=f"The disk is full {number}", **ended) for number in range(200))
    boss.text(LIST)
    with django_assert_max_num_queries(25):
        boss.text(LIST)


@pytest.mark.services
def test_an_empty_list_says_what_will_be_in_it(boss: Staff) -> None:
    assert "ALERT_EMAILS" in boss.text(LIST)
    assert boss.get("index").content.decode().count("/admin/reveweb/alert/") >= 1
