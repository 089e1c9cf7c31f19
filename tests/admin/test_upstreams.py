"""Upstreams in the admin: their keys are never shown, each act is on record, and how each is doing is seen at once."""

import os
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse

from billing.models import AuditRecord
from generator.models import Attempt, Generation, ImageModel, Operation, Route, Upstream, UpstreamTrouble
from generator.upstreams import secret, table
from tests.admin.conftest import REASON, Staff

KEY = "sk-live-0123456789abcdef"
FIELDS = {
    "name": "Studio",
    "slug": "studio",
    "dialect": "reve_art",
    "base_url": "https://studio.example/",
    "key": KEY,
    "max_in_flight": "",
    "per_minute": "",
    "timeout_seconds": "",
    "priority": "50",
    "weight": "1",
    "reason": REASON,
}


@pytest.fixture
def studio(transactional_db: None) -> Upstream:
    return Upstream.objects.create(
        slug="studio", name="Studio", dialect="reve_art", base_url="https://studio.example", secret=secret.seal(KEY)
    )


def change(who: Staff, upstream: Upstream, **data: object) -> Any:
    kept = {name: value for name, value in FIELDS.items() if name != "slug"}
    return who.post("generator_upstream_change", upstream.pk, **{**kept, "key": "", **data})


def errors(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    return dict(response.context_data["adminform"].form.errors)


def test_an_upstream_is_added_with_its_key_sealed_and_nothing_of_it_on_record(boss: Staff) -> None:
    assert boss.post("generator_upstream_add", **FIELDS).status_code == 302

    studio = Upstream.objects.get(slug="studio")
    assert (studio.base_url, studio.is_active) == ("https://studio.example", True)
    assert KEY not in studio.secret
    assert secret.reveal(studio.secret) == KEY
    record = AuditRecord.objects.get()
    assert (record.action, record.actor, record.reason) == ("Added an upstream", boss.user, REASON)
    assert (record.after["slug"], record.after["key"]) == ("studio", "Set")
    assert studio.secret not in str(record.after)


def test_no_page_shows_a_key_or_what_is_stored_of_it(boss: Staff, studio: Upstream) -> None:
    pages = [
        boss.text("generator_upstream_changelist"),
        boss.text("generator_upstream_change", studio.pk),
        boss.text("generator_upstream_history", studio.pk),
        change(boss, studio, key=KEY, priority="many").content.decode(),  # what was typed does not come back either
    ]
    for page in pages:
        assert KEY not in page
        assert studio.secret not in page


def test_a_key_is_kept_where_none_is_typed_and_replaced_where_one_is(boss: Staff, studio: Upstream) -> None:
    assert change(boss, studio, priority="7").status_code == 302
    assert secret.reveal(Upstream.objects.get(pk=studio.pk).secret) == KEY
    assert AuditRecord.objects.get().after == {"slug": "studio", "priority": 7}

    assert change(boss, studio, priority="7", key="another-key").status_code == 302
    assert secret.reveal(Upstream.objects.get(pk=studio.pk).secret) == "another-key"
    record = AuditRecord.objects.latest("pk")
    assert (record.before, record.after) == ({"slug": "studio", "key": "Set"}, {"slug": "studio", "key": "Replaced"})


def test_nothing_changed_leaves_no_record(boss: Staff, studio: Upstream) -> None:
    assert change(boss, studio).status_code == 302
    assert change(boss, studio).status_code == 302
    assert AuditRecord.objects.count() == 1  # its priority


def test_a_key_goes_to_no_other_host_than_it_was_given_for(boss: Staff, studio: Upstream) -> None:
    assert "another host" in errors(change(boss, studio, base_url="https://elsewhere.example"))["key"][0]
    assert "another host" in errors(change(boss, studio, base_url="http://studio.example"))["key"][0]
    assert change(boss, studio, base_url="https://studio.example/v2").status_code == 302
    assert change(boss, studio, base_url="https://elsewhere.example", key="theirs").status_code == 302


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("base_url", "", "Say where it is"),
        ("base_url", "ftp://studio.example", ""),
        ("base_url", "https://user:word@studio.example", "without user"),
        ("base_url", "https://studio.example?x=1", "without user"),
        ("key", "", "a key of its own"),
        ("key", "two words", "without blanks"),
        ("key", "env:not-a-name", "capitals"),
        ("key", "env:NOT_THERE_AT_ALL", "no variable NOT_THERE_AT_ALL"),
        ("key", "env:SECRET_KEY", "installation's own"),
        ("slug", "Studio 2", ""),
        ("weight", "0", ""),
    ],
)
def test_what_could_not_work_is_refused_in_words(boss: Staff, field: str, value: str, words: str) -> None:
    found = errors(boss.post("generator_upstream_add", **{**FIELDS, field: value}))
    assert list(found) == [field]
    assert words in found[field][0]


def test_a_variable_is_named_and_not_read(boss: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_KEY", KEY)
    assert boss.post("generator_upstream_add", **{**FIELDS, "key": "env:STUDIO_KEY"}).status_code == 302

    studio = Upstream.objects.get(slug="studio")
    assert studio.secret == "env:STUDIO_KEY"
    page = boss.text("generator_upstream_change", studio.pk)
    assert "env:STUDIO_KEY" in page
    assert KEY not in page

    del os.environ["STUDIO_KEY"]
    assert table.line_of(studio).state == "No key"
    assert "no variable STUDIO_KEY" in boss.text("generator_upstream_change", studio.pk)


def test_a_key_that_no_secret_opens_is_said_and_its_upstream_is_out(
    boss: Staff, studio: Upstream, settings: Any
) -> None:
    settings.SECRET_KEY = "another" * 8
    settings.SECRET_KEY_FALLBACKS = []
    boss.client.force_login(boss.user)

    line = table.line_of(studio)
    assert (line.state, line.key, line.draws) == ("No key", "Cannot be opened", False)
    assert "SECRET_KEY_FALLBACKS" in boss.text("generator_upstream_change", studio.pk)
    assert "No key" in boss.text("generator_upstream_changelist")


def test_the_environments_upstream_may_leave_its_address_and_key_empty(boss: Staff) -> None:
    reve = Upstream.objects.get(slug="reve")
    kept = {**FIELDS, "name": "Reve", "base_url": "", "key": ""}
    del kept["slug"]
    assert boss.post("generator_upstream_change", reve.pk, **kept).status_code == 302
    assert boss.post("generator_upstream_change", reve.pk, **{**kept, "dialect": "fal_queue"}).status_code == 200

    # Moved away and back it has the environment's key again, not the other's.
    away = {**kept, "base_url": "https://elsewhere.example", "key": "theirs"}
    assert boss.post("generator_upstream_change", reve.pk, **away).status_code == 302
    assert boss.post("generator_upstream_change", reve.pk, **kept).status_code == 302
    reve.refresh_from_db()
    assert (reve.base_url, reve.secret) == ("", "")


def test_its_slug_stays(boss: Staff, studio: Upstream) -> None:
    assert change(boss, studio, slug="other").status_code == 302
    assert Upstream.objects.filter(slug="studio").exists()


def test_it_is_taken_out_and_put_back_each_on_record(boss: Staff, studio: Upstream) -> None:
    model = ImageModel.objects.get()
    Route.objects.create(model=model, upstream=studio, operation=Operation.EDIT)
    page = boss.text("upstream_take_out", studio.pk)
    assert f"{model}, edit" in page  # which nothing else draws
    assert f"{model}, create" not in page

    assert boss.act("upstream_take_out", studio.pk).status_code == 302
    studio.refresh_from_db()
    assert not studio.is_active
    assert boss.act("upstream_take_out", studio.pk).status_code == 200  # it is out already
    assert table.line_of(studio).state == "Taken out"

    assert boss.act("upstream_put_back", studio.pk).status_code == 302
    studio.refresh_from_db()
    assert studio.is_active
    assert boss.act("upstream_put_back", studio.pk).status_code == 200
    assert [each.action for each in AuditRecord.objects.order_by("pk")] == [
        "Took an upstream out",
        "Put an upstream back",
    ]


def test_putting_back_ends_the_trouble_that_kept_it_out(boss: Staff, studio: Upstream) -> None:
    UpstreamTrouble.objects.create(upstream="studio", kind="out_of_funds")
    assert table.line_of(studio).state == "Our funds there are gone"
    assert "Our funds there are gone" in boss.text("generator_upstream_changelist")

    assert boss.act("upstream_put_back", studio.pk).status_code == 302
    assert not UpstreamTrouble.objects.exists()
    assert AuditRecord.objects.get().before == {"upstream": "studio", "is_active": True, "trouble": "out_of_funds"}


def test_without_a_reason_nothing_happens(boss: Staff, studio: Upstream) -> None:
    assert boss.act("upstream_take_out", studio.pk, reason=" ").status_code == 200
    studio.refresh_from_db()
    assert studio.is_active


def test_support_sees_how_it_is_doing_and_not_where_it_is(support: Staff, finance: Staff, studio: Upstream) -> None:
    UpstreamTrouble.objects.create(upstream="studio", kind="out_of_funds")
    for page in (support.text("generator_upstream_changelist"), support.text("generator_upstream_change", studio.pk)):
        assert "Our funds there are gone" in page
        assert "studio.example" not in page
        assert "Take out" not in page
    assert "studio.example" in finance.text("generator_upstream_change", studio.pk)
    assert "Take out" not in finance.text("generator_upstream_change", studio.pk)


def test_tries_in_hand_are_told_before_it_is_taken_out(boss: Staff, studio: Upstream, drawn: Generation) -> None:
    Attempt.objects.create(generation=drawn, number=9, upstream=studio, state="accepted", upstream_job="j1")
    assert "still fetched: 1 now" in boss.text("upstream_take_out", studio.pk)


def test_only_who_operates_does_any_of_it(support: Staff, finance: Staff, admin: Staff, studio: Upstream) -> None:
    for who in (support, finance):
        for name in ("upstream_take_out", "upstream_put_back", "upstream_test"):
            assert who.act(name, studio.pk).status_code == 403
        assert change(who, studio, priority="3").status_code == 403
        assert who.post("generator_upstream_add", **FIELDS).status_code == 403
    assert not AuditRecord.objects.exclude(action="Changed the role").exists()
    assert change(admin, studio, priority="3").status_code == 302
    assert reverse("admin:upstream_test", args=[studio.pk]) in admin.text("generator_upstream_change", studio.pk)
    assert admin.act("upstream_take_out", studio.pk, nonce=str(uuid4())).status_code == 302
