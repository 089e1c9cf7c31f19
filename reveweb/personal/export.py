"""Everything a person has here, as one ZIP: their words and numbers as JSON, their images as files.

It is packed into an unnamed temporary file, piece by piece, and from there goes to the private storage: neither many
nor large images cost memory, and a worker that dies leaves nothing behind.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import Model
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream

from accounts import browsers
from accounts.models import BrowserToken, User
from billing import ledger
from billing.catalogue import money
from billing.models import CreditEntry, Payment, Redemption, Subscription, Wallet
from billing.outbox import mail
from generator.files import images, marks, uploads
from generator.models import ApiCall, Generation, Upload, WebhookDelivery
from generator.webhooks import endpoints
from kit import storage
from kit.pages import by_pages
from kit.threads import let_go
from reveweb.personal import jobs
from reveweb.personal.models import PersonalTask

CHUNK = 1024 * 1024
ROWS_AT_ONCE = 500

# What the export calls a field, and what the model calls it.
API_KEY_FIELDS = {
    "name": "name",
    "prefix": "prefix",
    "rate_limit_per_minute": "rate_limit",
    "is_test": "is_test",
    "scopes": "scopes",
    "models": "image_models",
    "allowed_ips": "allowed_ips",
    "daily_credit_cap": "daily_credit_cap",
    "monthly_credit_cap": "monthly_credit_cap",
    "lifetime_credit_cap": "lifetime_credit_cap",
    "created_at": "created_at",
    "expires_at": "expires_at",
    "revoked_at": "revoked_at",
    "last_used_at": "last_used_at",
    "last_used_from": "last_used_ip",
    "reported_at": "reported_at",
    "reported_where": "reported_where",
}
TOKEN_FIELDS = {
    "prefix": "prefix",
    "origin": "origin",
    "credit_cap": "credit_cap",
    "credits_spent": "credits_spent",
    "created_at": "created_at",
    "expires_at": "expires_at",
    "revoked_at": "revoked_at",
}
CALL_FIELDS = {
    "request_id": "request_id",
    "at": "created_at",
    "last_at": "last_at",
    "count": "count",
    "key": "key_prefix",
    "method": "method",
    "path": "path",
    "status": "status",
    "error": "error_code",
    "milliseconds": "duration_ms",
    "credits": "credits",
    "image": "image_id",
    "from": "ip",
    "user_agent": "user_agent",
    "request_headers": "request_headers",
    "request": "request_body",
    "answer_headers": "answer_headers",
    "answer": "answer_body",
}
ENDPOINT_FIELDS = {
    "id": "public_id",
    "url": "url",
    "description": "description",
    "events": "events",
    "state": "state",
    "created_at": "created_at",
    "last_success_at": "last_success_at",
}
DELIVERY_FIELDS = {
    "id": "public_id",
    "event": "event",
    "url": "url",
    "state": "state",
    "tries": "attempts",
    "status": "status",
    "answer": "answer",
    "error": "last_error",
    "created_at": "created_at",
    "ended_at": "ended_at",
}
ENTRY_FIELDS = {
    "at": "created_at",
    "kind": "kind",
    "credits": "amount",
    "balance_after": "balance_after",
    "cause": "cause",
    "reference": "about",
}

README = """Everything you have at {site}, as of {now}.

profile.json        who you are here, and what you chose
generations.json    every image you asked for: its prompt, its settings and what became of it
images/             the images themselves; generations.json names each file
uploads.json        pictures that you brought
uploads/            the pictures themselves; uploads.json names each file
api_keys.json       your API keys, without their secrets, which nobody has but you
requests.json       your calls of the API, as far back as they are kept
webhooks.json       where your servers are told of your images, without the secrets
messages.json       what was sent there in the last 30 days, and what was answered
browser_tokens.json tokens that your keys made for browsers, while they are kept
credits.json        every change of your credits
codes.json          the codes that you redeemed
payments.json       your payments and plans
sign_ins.json       browsers that are logged in, passkeys and connected accounts, without their secrets

Times are UTC. JSON files can be read with any text editor.
"""


def pack(task: PersonalTask) -> None:
    """Pack what the task's person has into its file, and finish it. Raises LostClaim, OSError."""
    wallet = ledger.wallet_of(task.user_id)
    with tempfile.TemporaryFile() as file:
        progress = jobs.Progress(
            task, "Collecting your words and numbers", _with_files(wallet).count() + _uploads(wallet).count()
        )
        archive = _Archive(file)
        for name, rows in _documents(task.user, wallet):
            archive.add(name, rows, compressed=True)
        jobs.update(task, step="Packing your images")
        for generation in by_pages(_with_files(wallet), ROWS_AT_ONCE):
            let_go()
            archive.add_image(generation)
            progress.advance()
        for upload in by_pages(_uploads(wallet), ROWS_AT_ONCE):
            let_go()
            archive.add_file(_upload_name(upload), jobs.private(), uploads.path_of(upload.file_name))
            progress.advance()
        archive.close()
        size = file.tell()
        jobs.update(task, step="Storing the file")
        file.seek(0)
        let_go()
        try:
            with storage.asked():
                jobs.private().save(task.file_path, File(file))
            _hand_over(task, wallet, size)
        except Exception:
            _discard(task)
            raise


def _discard(task: PersonalTask) -> None:
    """Delete what was stored, unless the task is another worker's now, whose file has the same name."""
    over = (PersonalTask.State.DROPPED, PersonalTask.State.FAILED)
    anothers = PersonalTask.objects.filter(pk=task.pk).exclude(state__in=over).exclude(claim=task.claim)
    if not anothers.exists():
        let_go()
        # What it failed of may be the storage; then the file goes when the task expires.
        with contextlib.suppress(storage.StorageAway), storage.asked():
            jobs.private().delete(task.file_path)


@transaction.atomic
def _hand_over(task: PersonalTask, wallet: Wallet, size: int) -> None:
    expires_at = timezone.now() + jobs.KEPT
    jobs.finish(task, expires_at=expires_at, file_size=size)
    site = settings.PUBLIC_URL or f"http://localhost:{settings.PORT}"
    mail.queue(
        wallet,
        "export_ready",
        reference=f"export:{task.pk}",
        size=filesizeformat(size).replace("\xa0", " "),
        until=f"{expires_at:%-d %B %Y}",
        download_url=site + reverse("account_data"),
    )


class _Archive:
    """A ZIP that is written as it is made."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._zip = ZipStream()

    def add(self, name: str, chunks: Iterable[bytes], *, compressed: bool = False) -> None:
        self._zip.add(chunks, name, compress_type=ZIP_DEFLATED if compressed else ZIP_STORED)
        self._file.writelines(self._zip.file())

    def add_file(self, name: str, kept_in: Storage, path: str) -> None:
        """Add a picture's file; one that storage no longer has is left out."""
        try:
            file = storage.opened(kept_in, path)
        except FileNotFoundError:
            return
        with file:
            self.add(name, file.chunks(CHUNK))

    def add_image(self, generation: Generation) -> None:
        """Add an image's file, with its mark; one that storage no longer has is left out."""
        try:
            image = marks.carried(images.read(generation.file_name), marks.mark_of(generation))
        except FileNotFoundError:
            return
        self.add(_image_name(generation), (image[at : at + CHUNK] for at in range(0, len(image), CHUNK)))

    def close(self) -> None:
        self._file.writelines(self._zip.finalize())


def _documents(user: User, wallet: Wallet) -> Iterator[tuple[str, Iterable[bytes]]]:
    now = f"{timezone.now():%-d %B %Y, %H:%M} UTC"
    yield "README.txt", [README.format(site=settings.SITE_NAME, now=now).encode()]
    yield "profile.json", [_json(_profile(user, wallet))]
    yield "generations.json", _list(map(_generation, _generations(wallet).iterator(chunk_size=ROWS_AT_ONCE)))
    yield "uploads.json", _list(map(_upload, _uploads(wallet).iterator(chunk_size=ROWS_AT_ONCE)))
    yield "api_keys.json", _list(_named(key, API_KEY_FIELDS) for key in user.api_keys.all())
    tokens = BrowserToken.objects.filter(api_key__user=user).order_by("pk")
    yield "browser_tokens.json", _list(_named(one, TOKEN_FIELDS) for one in tokens.iterator(chunk_size=ROWS_AT_ONCE))
    yield (
        "requests.json",
        _list(_named(call, CALL_FIELDS) for call in by_pages(ApiCall.objects.filter(wallet=wallet), ROWS_AT_ONCE)),
    )
    yield "webhooks.json", _list(_named(endpoint, ENDPOINT_FIELDS) for endpoint in endpoints.of(wallet))
    told = WebhookDelivery.objects.filter(wallet=wallet).order_by("pk").iterator(chunk_size=ROWS_AT_ONCE)
    yield "messages.json", _list(_named(delivery, DELIVERY_FIELDS) for delivery in told)
    entries = CreditEntry.objects.filter(wallet=wallet).select_related(*CreditEntry.ABOUT).order_by("pk")
    yield "credits.json", _list(_named(entry, ENTRY_FIELDS) for entry in entries.iterator(chunk_size=ROWS_AT_ONCE))
    redeemed = wallet.redemptions.select_related("offer", "code").order_by("pk")
    yield "codes.json", _list(_redemption(one) for one in redeemed.iterator(chunk_size=ROWS_AT_ONCE))
    yield "payments.json", [_json(_payments(wallet))]
    yield "sign_ins.json", [_json(_sign_ins(user))]


def _redemption(one: Redemption) -> dict[str, Any]:
    return {"at": one.created_at, "name": one.offer.name, "code": one.code.shown, "credits": one.credits}


def _generations(wallet: Wallet) -> Any:
    return wallet.generations.filter(purged_at=None).select_related("api_key", "group").order_by("pk")


def _with_files(wallet: Wallet) -> Any:
    """Without samples of test keys: their words are in the list, and they themselves are nobody's work."""
    return _generations(wallet).filter(status=Generation.Status.COMPLETED, is_test=False)


def _uploads(wallet: Wallet) -> Any:
    return wallet.uploads.filter(purged_at=None).order_by("pk")


def _image_name(generation: Generation) -> str:
    return f"images/{generation.created_at:%Y-%m-%d}-{generation.public_id}.{generation.file_extension}"


def _upload_name(upload: Upload) -> str:
    return f"uploads/{upload.created_at:%Y-%m-%d}-{upload.public_id}.{upload.extension}"


def _profile(user: User, wallet: Wallet) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "joined_at": user.date_joined,
        "last_login_at": user.last_login,
        "signed_up_from": user.signup_network or None,
        "email_addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified")),
        "mail_receipts": user.mail_receipts,
        "mail_low_balance": user.mail_low_balance,
        "credits": wallet.balance,
        "plan": wallet.plan.name if wallet.plan else None,
    }


def _generation(generation: Generation) -> dict[str, Any]:
    is_image = generation.status == Generation.Status.COMPLETED and not generation.is_test
    return {
        "id": generation.public_id,
        "status": generation.status,
        "prompt": generation.prompt,
        "negative_prompt": generation.negative_prompt,
        "aspect_ratio": generation.aspect_ratio,
        "made_with": f"API key {generation.api_key.prefix}" if generation.api_key else "studio",
        "test": generation.is_test,
        "operation": generation.operation,
        "told_at": (generation.group.webhook_url if generation.group else "") or None,
        "model": generation.model,
        "size_class": generation.size or None,
        "quality": generation.quality or None,
        "credits": 0 if generation.status == Generation.Status.FAILED else generation.credits,
        "file": _image_name(generation) if is_image else None,
        "width": generation.width,
        "height": generation.height,
        "bytes": generation.file_size,
        "favourite": generation.is_favourite,
        "shared": generation.share_token is not None,
        "on_explore": generation.is_listed,
        "error": generation.error_message or None,
        "created_at": generation.created_at,
        "finished_at": generation.finished_at,
        "thrown_away_at": generation.deleted_at,
    }


def _upload(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.public_id,
        "file": _upload_name(upload),
        "width": upload.width,
        "height": upload.height,
        "bytes": upload.size,
        "created_at": upload.created_at,
        "expires_at": upload.expires_at,
        "thrown_away_at": upload.deleted_at,
    }


def _named(record: Model, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return fields of a row under the names by which the export calls them."""
    return {name: getattr(record, field) for name, field in fields.items()}


def _payments(wallet: Wallet) -> dict[str, Any]:
    return {
        "payments": [_payment(payment) for payment in wallet.payments.order_by("pk")],
        "plans": [_subscription(one) for one in wallet.subscriptions.select_related("plan").order_by("pk")],
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "at": payment.created_at,
        "for": payment.description,
        "amount": money.full(payment.amount, payment.currency),
        "refunded": money.full(payment.refunded, payment.currency),
        "reference": payment.reference,
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "plan": subscription.plan.name if subscription.plan else None,
        "status": subscription.status,
        "since": subscription.created_at,
        "period_end": subscription.period_end,
        "ended_at": subscription.ended_at,
    }


def _sign_ins(user: User) -> dict[str, Any]:
    return {
        "browsers": [
            {
                "browser": browsers.describe(one.user_agent),
                "user_agent": one.user_agent,
                "ip": one.ip,
                "logged_in_at": one.created_at,
                "last_seen_at": one.last_seen_at,
            }
            for one in UserSession.objects.filter(user=user).order_by("pk")
        ],
        "second_factors": [
            {
                "kind": one.type,
                "name": one.wrap().name if one.type == Authenticator.Type.WEBAUTHN else None,
                "added_at": one.created_at,
                "last_used_at": one.last_used_at,
            }
            for one in Authenticator.objects.filter(user=user).order_by("pk")
        ],
        "connected_accounts": list(
            SocialAccount.objects.filter(user=user)
            .order_by("pk")
            .values("provider", "uid", "date_joined", "extra_data")
        ),
    }


def _list(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a JSON list one element at a time."""
    separator = b"[\n"
    for row in rows:
        yield separator + _json(row)
        separator = b",\n"
    yield b"[]\n" if separator == b"[\n" else b"\n]\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain).encode("utf-8", "replace")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
