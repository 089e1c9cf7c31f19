"""`manage.py restore`: what a backup has is there again, elsewhere, and nothing is done a second time."""

import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from billing.models import Bulk, OutgoingMail, Payment, StaffRefund, Wallet
from generator.ask import admission
from generator.models import Generation, TokenUpload, WebhookDelivery, WebhookEndpoint
from reveweb.backup import database, fingerprint, making, places, reading, replaying, restoring
from reveweb.backup.errors import RestoreFailed
from tests import prepared
from tests.backup.conftest import Elsewhere, backup
from tests.conftest import Api
from tests.installation import wait_until
from tests.processes import web

pytestmark = pytest.mark.services


def test_a_site_is_there_again(
    target: Path, elsewhere: Elsewhere, draw: Callable[[], Generation], api: Api, alice: User, pictures: Path
) -> None:
    """The books, the files, the gallery to whoever was logged in, and an old key; made while somebody drew."""
    before = [draw() for _ in range(3)]
    browser = Client()
    browser.force_login(alice)
    done, made = threading.Event(), list[int]()

    def go_on() -> None:
        while not done.is_set() and len(made) < 40:
            made.append(draw().pk)
        connection.close()

    painter = threading.Thread(target=go_on)
    painter.start()
    try:
        wait_until(lambda: len(made) > 1)
        backup(target)
    finally:
        done.set()
        painter.join()
    said = elsewhere.restore(target)
    assert "1 accounts, no drift" in said
    assert "none without a file" in said
    kept = elsewhere.ask("dict(Generation.objects.filter(status='completed').values_list('public_id', 'file_token'))")
    assert {image.public_id for image in before} <= kept.keys()
    files = {path.relative_to(elsewhere.folder / "images") for path in (elsewhere.folder / "images").rglob("*.*")}
    assert {path.stem for path in files if path.suffix == ".png"} == set(kept.values())
    for path in files:
        assert (elsewhere.folder / "images" / path).read_bytes() == (pictures / path).read_bytes()
    assert not (elsewhere.folder / "restoring.json").exists()

    prepared.collect_static()
    (elsewhere.folder / "static").symlink_to(Path(settings.STATIC_ROOT).resolve(), target_is_directory=True)
    kept_by = {"VAR_DIR": str(elsewhere.folder), "DATABASE_URL": elsewhere.url, "SECRET_KEY": settings.SECRET_KEY}
    with web(elsewhere.folder, **kept_by) as url:
        session = {settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value}
        page = httpx.get(f"{url}/gallery/", cookies=session, timeout=60)
        assert page.status_code == 200
        assert before[0].public_id in page.text
        one = httpx.get(f"{url}/images/{before[0].file_name}", timeout=60)
        assert one.content == (pictures / f"{before[0].file_name[:2]}/{before[0].file_name}").read_bytes()
        asked = {"prompt": "a lighthouse", "async": True}
        authorization = {"Authorization": f"Bearer {api.secret}"}
        accepted = httpx.post(f"{url}/v1/reve-image/generate", json=asked, headers=authorization, timeout=60)
        assert accepted.status_code == 202, accepted.text
    assert elsewhere.ask("Generation.objects.latest('pk').pk") > max(made) + 900_000  # no number is given out twice


def test_what_was_under_way_is_not_done_again(
    target: Path, elsewhere: Elsewhere, draw: Callable[[], Generation], wallet: Wallet, pictures: Path
) -> None:
    drawn = draw()
    waits = admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a mill")).generation
    OutgoingMail.objects.create(reference="receipt:1", to="alice@example.com", template="receipt")
    endpoint = WebhookEndpoint.objects.create(wallet=wallet, url="https://example.com/", secret="sealed")
    for state in ("pending", "held", "delivered"):
        WebhookDelivery.objects.create(
            wallet=wallet, endpoint=endpoint, event="image.completed", url=endpoint.url, host="example.com", state=state
        )
    running = Bulk.objects.create(act="send_again", source="All", actor=wallet.user, state="running")
    payment = Payment.objects.create(wallet=wallet, reference="checkout:1", amount=900, currency="usd")
    StaffRefund.objects.create(payment=payment, amount=900, reason="x", nonce=uuid4())
    wallet.refresh_from_db()
    balance = wallet.balance
    backup(target)
    said = elsewhere.restore(target)
    assert (
        "1 images that were not drawn yet (their credits returned), 1 mails, 3 webhook messages" in said
    )  # one of what failed
    assert elsewhere.ask(f"[g.status for g in Generation.objects.filter(pk__in=[{drawn.pk}, {waits.pk}])]") == [
        "completed",
        "failed",
    ]
    assert elsewhere.ask("Wallet.objects.get().balance") == balance + 1
    assert (
        elsewhere.ask("[m.sent_at is None and m.failed_at is not None for m in OutgoingMail.objects.all()]")
        == [True] * OutgoingMail.objects.count()
    )
    assert "; 1 acts on many are paused" in said
    assert elsewhere.ask(f"Bulk.objects.get(pk={running.pk}).state") == "paused"
    assert elsewhere.ask("StaffRefund.objects.get().attempts") == 1  # so that Stripe is asked whether it made it
    states = elsewhere.ask("sorted(WebhookDelivery.objects.values_list('state', flat=True))")
    assert states == ["delivered", "failed", "failed", "failed"]


# --- What is refused, with nothing changed


def test_an_installation_that_is_used_is_left_alone(whole: Path, elsewhere: Elsewhere) -> None:
    elsewhere.restore(whole)
    assert "1 people, 1 images" in elsewhere.refuses(whole)
    assert elsewhere.ask("Generation.objects.count()") == 1


def test_files_that_are_there_are_left_alone(whole: Path, elsewhere: Elsewhere) -> None:
    (elsewhere.folder / "images" / "ab").mkdir(parents=True)
    (elsewhere.folder / "images" / "ab" / "abc.png").write_bytes(b"somebody's")
    assert "There are files in" in elsewhere.refuses(whole)


def test_one_that_is_only_migrated_is_empty(whole: Path, elsewhere: Elsewhere) -> None:
    assert elsewhere.manage("migrate")[0] == 0
    assert "no drift" in elsewhere.restore(whole)
    assert elsewhere.manage("check", "--database", "default")[0] == 0


@pytest.mark.parametrize("after", [0, 10])
@pytest.mark.parametrize("number", [1, -2, -1], ids=["an early file", "the last", "the list of digests"])
def test_one_that_ends_too_soon_changes_nothing(whole: Path, elsewhere: Elsewhere, number: int, after: int) -> None:
    with tarfile.open(whole) as tar:
        cut = tar.getmembers()[number].offset_data + after
    whole.write_bytes(whole.read_bytes()[:cut])
    assert "not whole" in elsewhere.refuses(whole)
    assert {path.name for path in elsewhere.folder.iterdir()} <= {"stripe-webhook-secret"}


def test_one_with_a_wrong_byte_changes_nothing(whole: Path, elsewhere: Elsewhere) -> None:
    with tarfile.open(whole) as tar:
        member = next(one for one in tar.getmembers() if one.name.startswith("images/"))
        at = member.offset_data + 10
    data = bytearray(whole.read_bytes())
    data[at] ^= 1
    whole.write_bytes(data)
    assert f"{member.name} is not what it was" in elsewhere.refuses(whole)
    assert {path.name for path in elsewhere.folder.iterdir()} <= {"stripe-webhook-secret"}


def test_something_else_is_no_backup(tmp_path: Path, elsewhere: Elsewhere) -> None:
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        member = tarfile.TarInfo("../outside")
        tar.addfile(member)
    assert "another program's" in elsewhere.refuses(other)
    assert "No such file" in elsewhere.refuses(tmp_path / "nowhere.tar")
    assert not (elsewhere.folder.parent / "outside").exists()


def test_a_file_that_is_not_the_archives_own_is_never_taken_for_its_database(
    whole: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """An archive may say of itself what it likes, and its digests with it."""
    folder, crafted = tmp_path / "unpacked", tmp_path / "crafted.tar"
    with tarfile.open(whole) as tar:
        names = tar.getnames()
        tar.extractall(folder, filter="data")
    manifest = json.loads((folder / "manifest.json").read_text())
    theirs = folder / manifest["database"]["file"]
    outside = shutil.copy(theirs, tmp_path / "outside")
    manifest["database"]["file"] = str(outside)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    ours = [name for name in names if name != "SHA256SUMS"]
    sums = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in ours)
    (folder / "SHA256SUMS").write_text("".join(sums))
    with tarfile.open(crafted, "w") as tar:
        for name in (*ours, "SHA256SUMS"):
            tar.add(folder / name, name)
    assert "The archive has no outside" in elsewhere.refuses(crafted)
    assert Path(outside).is_file()


def test_another_secret_is_named_and_taken_on_request(whole: Path, elsewhere: Elsewhere) -> None:
    other = "another secret that is as long as they have to be"
    assert "not the SECRET_KEY" in elsewhere.refuses(whole, SECRET_KEY=other)
    assert "restored here" in elsewhere.restore(
        whole, "--check", SECRET_KEY=other, SECRET_KEY_FALLBACKS=settings.SECRET_KEY
    )
    assert "no drift" in elsewhere.restore(whole, "--with-another-secret", SECRET_KEY=other)


def test_the_other_kind_of_database_is_named(whole: Path, elsewhere: Elsewhere, tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("there may be no PostgreSQL here")
    said = elsewhere.refuses(whole, DATABASE_URL=f"sqlite:///{tmp_path}/other.sqlite3")
    assert "It is of a PostgreSQL database, and DATABASE_URL names SQLite" in said


def test_a_backup_of_a_newer_version_is_named(
    target: Path, elsewhere: Elsewhere, draw: Callable[[], Generation]
) -> None:
    with connection.cursor() as cursor:
        row = "INSERT INTO django_migrations (app, name, applied) VALUES ('generator', '9999_later', CURRENT_TIMESTAMP)"
        cursor.execute(row)
        try:
            backup(target)
        finally:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_later'")
    assert "generator.9999_later" in elsewhere.refuses(target)


def test_one_made_between_new_code_and_its_migrations_is_whole(
    target: Path, elsewhere: Elsewhere, draw: Callable[[], Generation]
) -> None:
    """An upgrade was begun: the code knows a table that is not there yet."""
    draw()
    call_command("migrate", "generator", "0066", verbosity=0)
    try:
        backup(target)
    finally:
        call_command("migrate", verbosity=0)
    with tarfile.open(target) as tar:
        rows = json.loads((tar.extractfile(making.MANIFEST) or io.BytesIO()).read())["database"]["rows"]
    assert TokenUpload._meta.db_table in set(database.tables()) - set(rows)
    assert rows[Generation._meta.db_table] == 1
    assert "no drift" in elsewhere.restore(target)
    assert elsewhere.ask("[Generation.objects.count(), TokenUpload.objects.count()]") == [1, 0]


def test_a_disk_without_room_is_named_before(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=60_000_000), rmtree=shutil.rmtree)
    monkeypatch.setattr(reading, "shutil", full)
    with pytest.raises(RestoreFailed, match=r"has room for 57\.2"):
        restoring.check(places.named(str(whole)))


# --- A restore that dies


def test_one_that_died_says_so_lets_nothing_start_and_is_begun_anew(whole: Path, elsewhere: Elsewhere) -> None:
    with tarfile.open(whole) as tar:
        names = [one for one in tar.getmembers() if one.name.startswith("images/")]
    (elsewhere.folder / "images").write_text("in the way")  # of the first file that is put in place
    status, said = elsewhere.manage("restore", whole)
    assert (status, "it is half done" in said) == (1, True), said
    for command in ("serve", "work", "schedule"):
        status, said = elsewhere.manage(command)
        assert status == 1
        assert "did not end. Run the same manage.py restore once more" in said
    (elsewhere.folder / "images").unlink()
    assert "no drift" in elsewhere.restore(whole)
    assert len(list((elsewhere.folder / "images").rglob("*.*"))) == len(names)


# --- Client programs that are newer than the server


@pytest.fixture
def pg_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a script of the shell's be the `pg_restore` that is found; `$REAL` is the one of this machine."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL needs it")
    real, folder = shutil.which("pg_restore"), tmp_path / "bin"

    def put(script: str) -> None:
        folder.mkdir(exist_ok=True)
        said = (
            f'#!/bin/sh\nREAL={real}\n[ "$1" = --version ] && echo "pg_restore (PostgreSQL) 17.6" && exit\n{script}\n'
        )
        (folder / "pg_restore").write_text(said)
        (folder / "pg_restore").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return put


def beginning_with(statement: str) -> str:
    """Write a script as `pg_restore` does, with one more setting; asked to connect it ends at that."""
    return (
        f'case "$*" in *--file=-*) echo "{statement}"; exec $REAL "$@";; esac\n'
        "echo 'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter' >&2; exit 1"
    )


def test_a_newer_pg_restore_than_the_server_puts_it_back(
    whole: Path, elsewhere: Elsewhere, pg_restore: Callable[[str], None]
) -> None:
    assert elsewhere.manage("migrate")[0] == 0
    pg_restore(beginning_with("SET transaction_timeout = 0;"))
    assert "no drift" in elsewhere.restore(whole)
    assert elsewhere.ask("Generation.objects.count()") == 1


def test_one_that_does_not_go_with_the_server_is_named_before(
    whole: Path, elsewhere: Elsewhere, pg_restore: Callable[[str], None]
) -> None:
    pg_restore(beginning_with("SET a_setting_of_later = 0;"))
    for asked in ([whole], ["--check", whole]):
        said = elsewhere.refuses(*asked)
        assert 'do not go together (unrecognized configuration parameter "a_setting_of_later")' in said
    assert not (elsewhere.folder / "restoring.json").exists()


@pytest.mark.parametrize("end", ["head -c 60000; echo 'pg_restore: error: it broke' >&2; exit 1", "cat; echo 'broke;'"])
def test_one_that_breaks_off_changes_nothing_of_the_database_and_is_begun_anew(
    whole: Path, elsewhere: Elsewhere, pg_restore: Callable[[str], None], end: str
) -> None:
    assert elsewhere.manage("migrate")[0] == 0
    pg_restore(f'case "$*" in *--file=-*--exit-on-error*) $REAL "$@" | {{ {end}; }};; *) exec $REAL "$@";; esac')
    status, said = elsewhere.manage("restore", whole)
    assert (status, said.count("\n")) == (1, 1), said
    assert "could not put the database back: " in said
    assert "broke" in said
    assert elsewhere.ask("[Generation.objects.count(), Wallet.objects.count()]") == [0, 0]
    pg_restore('exec $REAL "$@"')
    assert "no drift" in elsewhere.restore(whole)


def test_only_what_a_script_begins_with_is_left_out() -> None:
    setting = b"SET transaction_timeout = 0;\n"
    script = b"--\n\n\\restrict x\n" + setting + b"SET lock_timeout = 0;\nCREATE TABLE a ();\n" + setting
    for major, kept in ((16, script.replace(setting, b"", 1)), (17, script)):
        file = io.BytesIO(script)
        assert b"".join(replaying._beginning(file, major)) + file.read() == kept


def test_a_fingerprint_tells_secrets_apart_and_is_never_twice_the_same() -> None:
    one, other = fingerprint.of("a" * 50), fingerprint.of("a" * 50)
    assert one != other
    assert fingerprint.is_of(one, "a" * 50)
    assert fingerprint.is_of(other, "a" * 50)
    assert not fingerprint.is_of(one, "b" * 50)
    for broken in ("", "scrypt:", "scrypt:zz:zz", "md5:00:00"):
        assert not fingerprint.is_of(broken, "a" * 50)
