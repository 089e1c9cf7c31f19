"""`revoke_api_key PREFIX`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import ApiKey
from billing.staff import acts

REASON = "Revoked on the command line"


class Command(BaseCommand):
    help = "Revoke the API key with this visible prefix (`rv_` and 8 characters, or the whole key)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix")

    def handle(self, *, prefix: str, **options: Any) -> None:
        key = ApiKey.objects.select_related("user").filter(prefix=prefix[:11]).first()
        if key is None:
            raise CommandError(f"No API key begins with {prefix[:11]}.")
        if acts.revoke_keys(actor=None, user=key.user, api_keys=[key], reason=REASON):
            self.stdout.write(f"Revoked {key.prefix} of {key.user.email}.")
            return
        key.refresh_from_db(fields=["revoked_at"])
        self.stdout.write(f"{key.prefix} of {key.user.email} was revoked on {key.revoked_at:%Y-%m-%d}.")
