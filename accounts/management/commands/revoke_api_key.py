"""`revoke_api_key PREFIX`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import keys
from accounts.models import ApiKey


class Command(BaseCommand):
    help = "Revoke the API key with this visible prefix (`rv_` and 8 characters, or the whole key)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix")

    def handle(self, *, prefix: str, **options: Any) -> None:
        key = ApiKey.objects.select_related("user").filter(prefix=prefix[:11]).first()
        if key is None:
            raise CommandError(f"No API key begins with {prefix[:11]}.")
        if key.revoked_at is not None:
            self.stdout.write(f"{key.prefix} of {key.user.email} was revoked on {key.revoked_at:%Y-%m-%d}.")
            return
        keys.revoke(key)
        self.stdout.write(f"Revoked {key.prefix} of {key.user.email}.")
