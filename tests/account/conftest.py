"""Alice with everything that an account can hold, and a worker that a test drives by hand."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.ask import admission
from generator.files import images
from generator.jobs import lifecycle
from generator.models import ApiCall, Generation
from generator.webhooks import endpoints, signing
from kit import broker
from reveweb.personal import jobs, tasks
from reveweb.personal.models import PersonalTask
from tests.conftest import PASSWORD

Draw = Callable[..., Generation]


@pytest.fixture(autouse=True)
def _stores(tmp_path: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this test's files to itself, and let nothing be told to a worker: tests run the tasks themselves."""
    default, private = settings.STORAGES["default"], settings.STORAGES["private"]
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**default, "OPTIONS": {"location": tmp_path / "images", "allow_overwrite": True}},
        "private": {**private, "OPTIONS": {"location": tmp_path / "private", "allow_overwrite": True}},
    }
    monkeypatch.setattr(broker, "tell", lambda task, argument: None)
    cache.clear()  # how often this machine's address has logged in


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice, logged in as a person does it."""
    client = Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    return client


@pytest.fixture
def draw(wallet: Wallet, give: Callable[[int], None]) -> Draw:
    """Make an image of Alice's, with real files, or leave it unfinished."""
    give(20)

    def drawn(prompt: str = "a lighthouse", until: str = "completed") -> Generation:
        request = admission.ImageRequest(prompt=prompt)
        generation = admission.admit(wallet=wallet, request=request).generation
        if until == "queued":
            return generation
        claimed = lifecycle.claim_submission(generation.pk)
        assert claimed is not None
        lifecycle.accepted(claimed, upstream_id=f"up-{generation.pk}", poll_after=1)
        if until == "completed":
            stored = images.store(png(), generation.file_token)
            lifecycle.complete(generation, image=stored, model="test")
        generation.refresh_from_db()
        return generation

    return drawn


@pytest.fixture
def belongings(alice: User, draw: Draw) -> None:
    """A key and a call with it, images, a passkey's record, a connected account and a second address of Alice's."""
    key, _ = keys.mint(user=alice, name="my blog")
    ApiCall.objects.create(
        request_id="req_1", wallet=alice.wallet, api_key=key, key_prefix=key.prefix, method="POST", path="/v1/x",
        route="/v1/x", status=200, duration_ms=1, request_body='{"prompt": "alice@example.com on a wall"}',
    )  # fmt: skip
    draw("a lighthouse"), draw("منارة عند الفجر"), draw("half done", until="drawing"), draw("waits", until="queued")
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": "TOPSECRET"})
    SocialAccount.objects.create(user=alice, provider="github", uid="42", extra_data={"login": "alice"})
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    wallet = ledger.wallet_of(alice.pk)
    endpoints.send_test(endpoints.add(wallet, url="https://liddell.example/hook", description="Liddell’s own"))
    signing.signer_of(wallet)
    wallet.groups.update(webhook_url="https://liddell.example/once")


def png(size: int = 64) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (size, size), "#a1b2c3").save(buffer, "PNG")
    return buffer.getvalue()


def work(task: PersonalTask) -> bool:
    """Do the task as a worker would, now."""
    PersonalTask.objects.filter(pk=task.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    done = jobs.run(task.pk, tasks.WORK)
    task.refresh_from_db()
    return done


def stored_files() -> list[str]:
    """Every file that the image storage has."""
    found: list[str] = []
    try:
        folders, _ = default_storage.listdir("")
    except FileNotFoundError:
        return found
    for folder in folders:
        found += default_storage.listdir(folder)[1]
    return found
