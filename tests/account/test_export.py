"""Everything a person has, as one ZIP: whole, private, and surviving whoever packs it."""

import asyncio
import contextlib
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import User
from billing.models import OutgoingMail, Wallet
from generator.files import images, marks, uploads
from generator.models import Generation, WebhookEndpoint, WebhookSigner
from generator.webhooks import signing
from reveweb.personal import export, jobs, tasks
from reveweb.personal.models import PersonalTask
from tests.account.conftest import png, work
from tests.conftest import PASSWORD
from tests.streams import pieces_of

State = PersonalTask.State


def test_it_holds_everything_and_no_secret(alice: User, browser: Client, belongings: None) -> None:
    archive = opened(packed(alice))
    assert archive.testzip() is None
    names = set(archive.namelist())
    assert {"README.txt", "profile.json", "credits.json", "payments.json"} <= names
    generations = json.loads(archive.read("generations.json"))
    assert [one["prompt"] for one in generations] == ["a lighthouse", "منارة عند الفجر", "half done", "waits"]
    assert archive.read(generations[0]["file"]) == marks.carried(
        png(), marks.mark_of(Generation.objects.earliest("pk"))
    )
    assert generations[2]["file"] is None
    assert json.loads(archive.read("api_keys.json"))[0]["name"] == "my blog"
    [call] = json.loads(archive.read("requests.json"))
    assert (call["request_id"], call["status"]) == ("req_1", 200)
    assert "on a wall" in call["request"]
    [endpoint], [message] = (json.loads(archive.read(name)) for name in ("webhooks.json", "messages.json"))
    assert (endpoint["url"], message["state"]) == ("https://liddell.example/hook", "pending")
    assert {one["told_at"] for one in generations} == {"https://liddell.example/once"}
    sign_ins = json.loads(archive.read("sign_ins.json"))
    assert sign_ins["browsers"][0]["browser"] == "Firefox on Linux"
    assert sign_ins["connected_accounts"][0]["extra_data"] == {"login": "alice"}
    everything = b"".join(archive.read(name) for name in names).decode("utf-8", "ignore")
    for secret in ("TOPSECRET", alice.password, alice.api_keys.get().digest, *_signed_with(alice)):
        assert secret not in everything


def _signed_with(alice: User) -> list[str]:
    stored = [row.secret for row in (WebhookEndpoint.objects.get(), WebhookSigner.objects.get(wallet__user=alice))]
    return stored + [signing.reveal(secret) for secret in stored]


def test_it_holds_what_they_brought(alice: User, wallet: Wallet) -> None:
    brought, gone = uploads.take(wallet, png(40)), uploads.take(wallet, png(50))
    uploads.discard(wallet, gone.public_id)
    uploads.purge_due()
    archive = opened(packed(alice))
    [told] = json.loads(archive.read("uploads.json"))
    assert (told["id"], told["width"]) == (brought.public_id, 40)
    assert archive.read(told["file"]) == png(40)


def test_it_says_what_each_image_cost(alice: User, draw: Callable[..., Generation]) -> None:
    dear, failed = draw("dear"), draw("failed")
    Generation.objects.filter(pk=dear.pk).update(credits=3, operation="edit", size="2K")
    Generation.objects.filter(pk=failed.pk).update(credits=3, status="failed")
    told = {one["id"]: one for one in json.loads(opened(packed(alice)).read("generations.json"))}
    assert [told[one.public_id]["credits"] for one in (dear, failed)] == [3, 0]
    assert [told[dear.public_id][name] for name in ("operation", "size_class", "quality")] == ["edit", "2K", None]


def test_an_account_without_anything_has_an_export_too(alice: User) -> None:
    archive = opened(packed(alice))
    assert json.loads(archive.read("generations.json")) == []
    assert json.loads(archive.read("profile.json"))["email"] == alice.email


def test_an_image_whose_file_is_lost_does_not_stop_it(alice: User, draw: Callable[..., Generation]) -> None:
    lost, kept = draw("lost"), draw("kept")
    images.delete(lost.file_token)
    archive = opened(packed(alice))
    assert [name for name in archive.namelist() if name.startswith("images/")] == [
        json.loads(archive.read("generations.json"))[1]["file"]
    ]
    assert kept.public_id in archive.namelist()[-1]


def test_its_owner_downloads_it_and_a_stranger_does_not(
    alice: User, bob: User, draw: Callable[..., Generation]
) -> None:
    draw()
    task = packed(alice)
    path = f"/account/data/export/{task.token}/"
    status, body = fetched(alice, path)
    assert status == 200
    assert len(body) == task.file_size
    assert zipfile.ZipFile(BytesIO(body)).testzip() is None
    assert fetched(bob, path)[0] == 404
    assert Client().get(path).status_code == 302
    assert not default_storage.exists(task.file_path)  # where /images/ reads from


def test_a_download_that_broke_off_goes_on(alice: User, draw: Callable[..., Generation]) -> None:
    draw()
    task = packed(alice)
    path = f"/account/data/export/{task.token}/"
    _, whole = fetched(alice, path)
    half = len(whole) // 2
    client = Client()
    client.force_login(alice)
    etag = client.get(path)["ETag"]
    rest = client.get(path, headers={"Range": f"bytes={half}-", "If-Range": etag})
    assert (rest.status_code, rest["Content-Range"]) == (206, f"bytes {half}-{len(whole) - 1}/{len(whole)}")
    assert rest.content == whole[half:]
    assert client.get(path, headers={"Range": f"bytes={half}-", "If-Range": '"another"'}).status_code == 200
    assert client.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_two_clicks_are_one_export(alice: User, browser: Client) -> None:
    for _ in range(2):
        assert browser.post("/account/data/export/").status_code == 302
    assert PersonalTask.objects.filter(user=alice).count() == 1


def test_its_progress_is_on_the_page(alice: User, browser: Client, draw: Callable[..., Generation]) -> None:
    draw()
    browser.post("/account/data/export/")
    task = PersonalTask.objects.get()
    PersonalTask.objects.update(step="Packing your images", done=3, total=8, state=State.RUNNING)
    page = browser.get("/account/data/").content.decode()
    assert "3 of 8 images" in page
    assert 'hx-get="/account/data/export/state/"' in page
    assert browser.get("/account/data/export/state/").status_code == 200
    PersonalTask.objects.update(state=State.WAITING)
    assert work(task)
    state = browser.get("/account/data/export/state/")
    assert state.status_code == 286  # htmx stops asking
    assert "Your export is ready" in state.content.decode()
    assert OutgoingMail.objects.filter(template="export_ready").count() == 1


def test_a_killed_workers_export_is_packed_by_the_next(
    alice: User, draw: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("one"), draw("two")
    task = jobs.start_export(alice)

    def killed(*arguments: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(export._Archive, "add_image", killed)
        with pytest.raises(SystemExit):
            jobs.run(task.pk, tasks.WORK)
    task.refresh_from_db()
    assert task.state == State.RUNNING
    assert not jobs.run(task.pk, tasks.WORK)  # its claim has not lapsed
    assert work(task)
    assert len([name for name in opened(task).namelist() if name.startswith("images/")]) == 2


def test_a_message_that_comes_late_packs_nothing_again(alice: User) -> None:
    task = packed(alice)
    until = task.expires_at
    assert not work(task)
    assert (task.state, task.expires_at) == (State.DONE, until)


def test_a_worker_that_lost_its_claim_changes_nothing(alice: User) -> None:
    task = jobs.start_export(alice)

    def overtaken(claimed: PersonalTask) -> None:
        PersonalTask.objects.filter(pk=claimed.pk).update(claim="somebody else")
        jobs.finish(claimed, file_size=1)

    assert not jobs.run(task.pk, {PersonalTask.Kind.EXPORT: overtaken})
    task.refresh_from_db()
    assert (task.state, task.file_size) == (State.RUNNING, None)


def test_an_export_that_is_stored_after_the_account_went_leaves_no_file(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = type(jobs.private())
    save = storage.save

    def slow(*arguments: Any) -> str:
        deletion = jobs.start_deletion(alice)
        lapse()
        assert work(deletion), deletion.last_error
        return save(*arguments)

    monkeypatch.setattr(storage, "save", slow)
    task = jobs.start_export(alice)
    assert not jobs.run(task.pk, tasks.WORK)
    assert not PersonalTask.objects.filter(pk=task.pk).exists()
    assert stored_exports() == []


def test_a_deletion_waits_for_whoever_still_stores_an_export(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile() -> None:
        assert not work(jobs.start_deletion(alice))

    stored_while(alice, meanwhile, monkeypatch)
    assert stored_exports() == []
    deletion = jobs.start_deletion(alice)
    assert work(deletion), deletion.last_error  # at once: the worker has let go


def test_a_worker_killed_while_it_stores_leaves_no_file_of_a_closed_account(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed() -> None:
        jobs.start_deletion(alice)
        raise SystemExit

    with pytest.raises(SystemExit):
        stored_while(alice, killed, monkeypatch)
    deletion = jobs.start_deletion(alice)
    assert not work(deletion)
    assert "StillLeft" in deletion.last_error
    lapse()
    assert work(deletion), deletion.last_error
    assert stored_exports() == []


def test_a_worker_that_was_overtaken_leaves_the_file_of_the_next(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over = export._hand_over

    def meanwhile() -> None:
        monkeypatch.setattr(export, "_hand_over", hand_over)
        assert work(PersonalTask.objects.get())

    task = stored_while(alice, meanwhile, monkeypatch)
    task.refresh_from_db()
    assert task.state == State.DONE
    assert opened(task).testzip() is None


def test_an_error_is_tried_again_and_then_told(alice: User, browser: Client) -> None:
    task = jobs.start_export(alice)

    def broken(claimed: PersonalTask) -> None:
        raise OSError("the disk is full")

    for _ in range(jobs.EXPORT_TRIES):
        assert task.state == State.WAITING
        PersonalTask.objects.update(due_at=timezone.now())
        jobs.run(task.pk, {PersonalTask.Kind.EXPORT: broken})
        task.refresh_from_db()
    assert task.state == State.FAILED
    page = browser.get("/account/data/").content.decode()
    assert "could not be packed" in page
    assert "disk" not in page
    browser.post("/account/data/export/")
    assert PersonalTask.objects.filter(state=State.WAITING).count() == 1


def test_a_failed_try_leaves_no_half_of_a_file(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    task = jobs.start_export(alice)
    monkeypatch.setattr(FileSystemStorage, "save", half_saved)
    assert not jobs.run(task.pk, tasks.WORK)
    assert stored_exports() == []


def test_an_export_that_is_given_up_leaves_no_half_of_a_file(
    alice: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = jobs.start_export(alice)
    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "save", killed_half_way)
        for _ in range(jobs.EXPORT_TRIES):
            PersonalTask.objects.update(due_at=timezone.now())
            with pytest.raises(SystemExit):
                jobs.run(task.pk, tasks.WORK)
    lapse()
    assert not jobs.run(task.pk, tasks.WORK)
    task.refresh_from_db()
    assert task.state == State.FAILED
    with monkeypatch.context() as patch:  # the storage may be what it was given up for
        patch.setattr(FileSystemStorage, "delete", half_saved)
        assert jobs.expire_due() == 0
    assert stored_exports() != []
    assert jobs.expire_due() == 1
    assert stored_exports() == []
    assert jobs.expire_due() == 0
    assert "could not be packed" in browser.get("/account/data/").content.decode()


def test_it_is_deleted_after_its_time(alice: User, browser: Client) -> None:
    task = packed(alice)
    assert jobs.expire_due() == 0
    PersonalTask.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser.get(f"/account/data/export/{task.token}/").status_code == 404
    assert jobs.expire_due() == 1
    assert not jobs.private().exists(task.file_path)
    assert "has expired" in browser.get("/account/data/").content.decode()


def test_a_new_export_replaces_the_file_of_the_last(alice: User) -> None:
    first = packed(alice)
    second = packed(alice)
    jobs.expire_due()
    assert not jobs.private().exists(first.file_path)
    assert jobs.private().exists(second.file_path)


@pytest.mark.parametrize("token", ["x", "..%2F..%2Fsecret-key", "a" * 500, "%00"])
def test_a_made_up_address_is_not_found(browser: Client, token: str) -> None:
    assert browser.get(f"/account/data/export/{token}/").status_code == 404


def packed(user: User) -> PersonalTask:
    task = jobs.start_export(user)
    assert work(task), task.last_error
    assert task.state == State.DONE
    return task


def stored_while(user: User, meanwhile: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> PersonalTask:
    """Pack an export whose worker loses it to what happens between storing the file and saying so."""
    hand_over = export._hand_over

    def late(*arguments: Any) -> None:
        meanwhile()
        hand_over(*arguments)

    monkeypatch.setattr(export, "_hand_over", late)
    task = jobs.start_export(user)
    assert not jobs.run(task.pk, tasks.WORK)
    return task


def half_saved(storage: FileSystemStorage, name: str, content: Any = None) -> str:
    """Write a part of the file, as onto a disk that is full then."""
    path = Path(storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK")
    raise OSError("the disk is full")


def killed_half_way(storage: FileSystemStorage, name: str, content: Any) -> str:
    """Write a part of the file and die."""
    with contextlib.suppress(OSError):
        half_saved(storage, name)
    raise SystemExit


def lapse() -> None:
    """Let a minute pass without a word of any worker."""
    PersonalTask.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def stored_exports() -> list[str]:
    return jobs.private().listdir("exports")[1]


def opened(task: PersonalTask) -> zipfile.ZipFile:
    with jobs.private().open(task.file_path) as file:
        return zipfile.ZipFile(BytesIO(file.read()))


def fetched(user: User, path: str) -> tuple[int, bytes]:
    session = Client()
    session.login(email=user.email, password=PASSWORD)

    async def read() -> tuple[int, bytes]:
        client = AsyncClient()
        client.cookies = session.cookies
        answer = await client.get(path)
        if not answer.streaming:
            return answer.status_code, answer.content
        return answer.status_code, b"".join([piece async for piece in pieces_of(answer)])

    return asyncio.run(read())
