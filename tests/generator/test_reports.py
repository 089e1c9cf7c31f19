"""Reports of shared images: anybody may, staff keep or take down, and what is down stays down until it is allowed."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.test import Client

from accounts.models import User
from billing.models import AuditRecord, Wallet
from billing.staff import acts, roles
from generator.ask import admission
from generator.files import images
from generator.files.images import StoredImage
from generator.jobs import lifecycle
from generator.library import reports, sharing, withheld
from generator.models import Generation, Report
from tests.generator.upstream import png

pytestmark = [pytest.mark.services, pytest.mark.django_db, pytest.mark.usefixtures("images")]


@pytest.fixture
def shared(wallet: Wallet) -> Generation:
    made = admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a lighthouse")).generation
    claimed = lifecycle.claim_submission(made.pk)
    assert claimed is not None
    lifecycle.accepted(claimed, upstream_id="up_1", poll_after=1)
    lifecycle.complete(made, image=StoredImage("png", 10, 64, 64, "#336699"), model="reve")
    made.refresh_from_db()
    sharing.share(made)
    Generation.objects.filter(pk=made.pk).update(is_listed=True)
    made.refresh_from_db()
    return made


@pytest.fixture
def support(sam: User) -> User:
    roles.sync()
    user = User.objects.create_user("support@example.com")
    acts.set_role(actor=sam, user=user, role="support", reason="Hired")
    return User.objects.get(pk=user.pk)


def send(client: Client, one: Generation, **fields: str) -> Any:
    return client.post(f"/s/{one.share_token}/report/", {"reason": "rights", "words": "It is mine.", **fields})


def test_a_stranger_reports_once_however_often(client: Client, shared: Generation) -> None:
    assert "Report this image" in client.get(f"/s/{shared.share_token}/").content.decode()
    assert client.get(f"/s/{shared.share_token}/report/").status_code == 200
    for _ in range(2):
        assert "Somebody will look at this image." in send(client, shared, email="me@example.com").content.decode()
    [report] = Report.objects.all()
    assert (report.reason, report.words, report.email) == ("rights", "It is mine.", "me@example.com")
    assert "127.0.0.1" not in report.reporter
    assert reports.trouble() == "1 report of shared images waits"


def test_another_person_reports_it_too(client: Client, shared: Generation, bob: User) -> None:
    send(client, shared)
    client.force_login(bob)
    send(client, shared)
    assert Report.objects.count() == 2


@pytest.mark.parametrize("fields", [{"reason": ""}, {"reason": "boredom"}, {"words": "x" * 501}, {"email": "nobody"}])
def test_what_is_wrong_with_a_report_is_said(client: Client, shared: Generation, fields: dict[str, str]) -> None:
    assert send(client, shared, **fields).status_code == 422
    assert not Report.objects.exists()


def test_what_is_not_shared_cannot_be_reported(client: Client, shared: Generation) -> None:
    sharing.unshare(shared)
    assert client.get("/s/x/report/").status_code == 404


def test_reports_are_limited(client: Client, shared: Generation) -> None:
    statuses = [send(client, shared).status_code for _ in range(40)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_a_network_of_ipv6_is_one_reporter(client: Client, shared: Generation) -> None:
    for last in (1, 2):
        send(Client(REMOTE_ADDR=f"2606:2800:220:1::{last}"), shared)
    assert Report.objects.count() == 1


def test_what_was_kept_is_not_reported_again_by_the_same(
    client: Client, shared: Generation, support: User, bob: User
) -> None:
    send(client, shared)
    reports.keep(actor=support, generation=shared, reason="Fine")
    assert "Somebody will look at this image." in send(client, shared).content.decode()
    assert reports.trouble() is None
    client.force_login(bob)
    send(client, shared)
    assert reports.trouble() == "1 report of shared images waits"


def test_keeping_closes_the_reports_and_nothing_else(client: Client, shared: Generation, support: User) -> None:
    send(client, shared)
    assert reports.keep(actor=support, generation=shared, reason="Fine") == 1
    assert reports.keep(actor=support, generation=shared, reason="Fine") == 0
    assert Report.objects.get().outcome == "kept"
    assert client.get(f"/s/{shared.share_token}/").status_code == 200
    assert AuditRecord.objects.filter(action=acts.Act.KEEP_IMAGE.value).count() == 1
    assert reports.trouble() is None


def test_taken_down_is_gone_for_everybody_and_its_owner_told(
    client: Client, shared: Generation, support: User, alice: User, mailoutbox: list[Any]
) -> None:
    token = shared.share_token
    send(client, shared)
    assert reports.take_down(actor=support, generation=shared, reason="Theirs", words="It is somebody else's.")
    assert not reports.take_down(actor=support, generation=shared, reason="Theirs", words="x")
    assert client.get(f"/s/{token}/").status_code == client.get(f"/s/{token}/download/").status_code == 404
    [message] = mailoutbox
    assert message.to == [alice.email]
    assert "It is somebody else's." in message.body
    assert Report.objects.get().outcome == "taken_down"
    client.force_login(alice)
    page = client.get(f"/gallery/{shared.public_id}/").content.decode()
    assert "It was taken down" in page
    assert "Share by public link" not in page


def test_what_is_down_is_shared_again_only_when_it_is_allowed(
    client: Client, shared: Generation, support: User, alice: User
) -> None:
    reports.take_down(actor=support, generation=shared, reason="Theirs", words="x")
    shared.refresh_from_db()
    sharing.share(shared)
    assert shared.share_token is None
    assert reports.allow(actor=support, generation=shared, reason="A mistake")
    assert not reports.allow(actor=support, generation=shared, reason="A mistake")
    sharing.share(shared)
    assert shared.share_token
    assert AuditRecord.objects.filter(action=acts.Act.ALLOW_IMAGE.value).count() == 1


@pytest.mark.parametrize("act", [reports.keep, reports.allow])
def test_only_who_may_acts(shared: Generation, alice: User, act: Callable[..., Any]) -> None:
    with pytest.raises(PermissionDenied):
        act(actor=alice, generation=shared, reason="x")


def address_of(one: Generation, suffix: str = "") -> str:
    return f"/images/{one.file_token}{suffix}.{'webp' if suffix else one.file_extension}"


@pytest.mark.parametrize("suffix", ["", "_480", "_960"])
def test_the_address_of_what_is_down_is_its_owners_and_staffs(
    shared: Generation, support: User, alice: User, bob: User, suffix: str
) -> None:
    data = png()
    images.keep(data, shared.file_token, images.verify(data))
    images.keep_thumbnails(shared.file_token, images.thumbnails(data))
    clients = {name: Client() for name in ("stranger", "bob", "alice", "support")}
    for name, user in (("bob", bob), ("alice", alice), ("support", support)):
        clients[name].force_login(user)

    def answers() -> dict[str, int]:
        return {name: client.get(address_of(shared, suffix)).status_code for name, client in clients.items()}

    everybody = dict.fromkeys(clients, 200)
    assert answers() == everybody
    reports.take_down(actor=support, generation=shared, reason="Theirs", words="x")
    withheld.forget()
    assert answers() == everybody | {"stranger": 404, "bob": 404}
    for name in ("stranger", "alice"):
        assert "no-store" in clients[name].get(address_of(shared, suffix))["Cache-Control"]
    shared.refresh_from_db()
    assert shared.image_url("https://images.example.com").startswith("https://images.example.com/images/")
    reports.allow(actor=support, generation=shared, reason="A mistake")
    withheld.forget()
    assert answers() == everybody


def test_what_is_down_is_at_the_site_and_not_at_its_cdn(shared: Generation, support: User, settings: Any) -> None:
    settings.IMAGE_BASE_URL = "https://cdn.example.com"
    assert shared.image_url("").startswith("https://cdn.example.com/")
    reports.take_down(actor=support, generation=shared, reason="Theirs", words="x")
    shared.refresh_from_db()
    assert shared.image_url("").startswith("/images/")


def test_what_is_down_is_read_once_for_many_images(
    client: Client, shared: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = png()
    images.keep(data, shared.file_token, images.verify(data))
    read = Mock(side_effect=withheld.tokens)
    monkeypatch.setattr(withheld, "tokens", read)
    monkeypatch.setattr(withheld, "CACHE_SECONDS", 60.0)
    withheld.forget()
    assert [client.get(address_of(shared)).status_code for _ in range(5)] == [200] * 5
    assert read.call_count == 1


def test_while_the_database_is_away_what_was_down_stays_so(
    shared: Generation, support: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.take_down(actor=support, generation=shared, reason="Theirs", words="x")
    withheld.forget()
    assert withheld.tokens() == {shared.file_token}

    def away(**_: object) -> None:
        raise DatabaseError

    withheld.forget()
    with monkeypatch.context() as patch:
        patch.setattr(Generation.objects, "filter", away)
        assert withheld.tokens() == {shared.file_token}


def test_a_report_that_comes_as_the_image_goes_is_none(shared: Generation, support: User) -> None:
    reports.take_down(actor=support, generation=shared, reason="Theirs", words="x")
    assert not reports.report(shared, reason="rights", words="", email="", reporter="somebody")
    assert reports.trouble() is None


def test_explore_has_a_way_to_report_each_image(client: Client, shared: Generation, settings: Any) -> None:
    settings.EXPLORE = True
    assert f'href="/s/{shared.share_token}/report/"' in client.get("/explore/").content.decode()


def test_the_queue_says_how_often_an_image_was_reported(client: Client, shared: Generation, support: User) -> None:
    for name in ("one", "two"):
        reports.report(shared, reason="rights", words="", email="", reporter=name)
    client.force_login(support)
    page = client.get("/admin/generator/report/").content.decode()
    assert page.count(f"?generation__id__exact={shared.pk}") == 2
    assert page.count('class="rw-veiled"') == 2
