"""Run by `furnish` inside an installation's own environment: the things that no command or request does as quickly."""

import os
import secrets
import sys
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402 (needs the set-up above)
from django.conf import settings  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.db.models import F, Min, QuerySet  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import keys  # noqa: E402
from accounts.models import User  # noqa: E402
from billing import ledger  # noqa: E402
from billing.models import CreditEntry, CreditGrant  # noqa: E402
from generator.files import images  # noqa: E402
from generator.models import Generation, new_file_token, new_public_id  # noqa: E402

PASSWORD = "correct horse battery"


def people(credits: str, *emails: str) -> None:
    """Create everybody, and give Ada credits and a key."""
    password = make_password(PASSWORD)  # slow on purpose, so once for all
    for email in emails:
        user = User.objects.create(email=email, password=password)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        ledger.welcome(ledger.wallet_of(user.pk))
    ada = User.objects.get(email="ada@example.com")
    User.objects.filter(pk=ada.pk).update(name="Ada Marsh")
    source = CreditGrant.Source.STAFF
    wallet = ledger.wallet_of(ada.pk)
    ledger.grant(wallet=wallet, credits=int(credits), source=source, reference="furnish", cause="Thank you")
    print(f"secret={keys.mint(user=ada, name='Storefront', rate_limit=100_000)[1]}")


def gallery(count: str) -> None:
    """Share some of Ada's images, count some as the studio's, spread them over days; copy them for `many`."""
    many = int(count)
    ada = ledger.wallet_of(User.objects.get(email="ada@example.com").pk)
    entries = QuerySet(CreditEntry).filter(wallet=ada)  # its own manager refuses to change what was written
    mine = list(ada.generations.order_by("pk"))
    pictures = [one for one in mine if one.status == Generation.Status.COMPLETED]
    for number, generation in enumerate(pictures):
        shared = number % 3 == 0
        back = timedelta(days=int((len(pictures) - 1 - number) ** 1.3 / 2.4))  # busier lately
        Generation.objects.filter(pk=generation.pk).update(
            api_key=generation.api_key if number % 2 else None,
            is_favourite=number % 4 == 0,
            share_token=secrets.token_urlsafe(16) if shared else None,
            is_listed=shared,
            created_at=generation.created_at - back,
            submitted_at=generation.submitted_at and generation.submitted_at - back,
            finished_at=generation.finished_at and generation.finished_at - back,
        )
        entries.filter(reference__startswith=generation.credit_reference).update(created_at=F("created_at") - back)
    first = entries.aggregate(first=Min("created_at"))["first"]
    entries.filter(kind=CreditEntry.Kind.GRANT).update(created_at=first - timedelta(hours=1))
    if many:
        _copy(pictures, many)
    failed = next(one for one in mine if one.status == Generation.Status.FAILED)
    share = ada.generations.exclude(share_token=None).values_list("share_token", flat=True)[0]
    print(f"image={pictures[0].public_id} failed={failed.public_id} share={share}")


def _copy(pictures: list[Generation], many: int) -> None:
    """Give `many@` that many images: rows of their own, their files hard links."""
    wallet = ledger.wallet_of(User.objects.get(email="many@example.com").pk)
    now = timezone.now()
    rows = []
    for number in range(many):
        source = pictures[number % len(pictures)]
        own = {
            "wallet_id": wallet.pk,
            "api_key_id": None,
            "share_token": None,
            "is_listed": False,
            "idempotency_key": None,
            "public_id": new_public_id(),
            "file_token": new_file_token(),
            "created_at": now - timedelta(minutes=many - number),
        }
        kept = {field.attname: getattr(source, field.attname) for field in Generation._meta.concrete_fields}
        rows.append(Generation(**{**kept, **own, "id": None}))
        _link(source, own["file_token"])
    Generation.objects.bulk_create(rows, batch_size=500)


def _link(source: Generation, token: str) -> None:
    root = settings.STORAGES["default"]["OPTIONS"]["location"]
    names = [(images.path_of(source.file_name), images.path_of(f"{token}.{source.file_extension}"))]
    for side in images.THUMBNAIL_SIDES:
        names.append((images.thumbnail_name(source.file_token, side), images.thumbnail_name(token, side)))
    for old, new in names:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        os.link(root / old, root / new)


if __name__ == "__main__":
    {"people": people, "gallery": gallery}[sys.argv[1]](*sys.argv[2:])
