"""`create_api_key EMAIL [--name N] [--rate-limit PER_MINUTE] [--test]`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import keys
from accounts.models import User


class Command(BaseCommand):
    help = "Create an API key and print its secret, the only time it can be seen."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="Made by the operator")
        parser.add_argument("--rate-limit", type=int, metavar="PER_MINUTE", help="overrides the account's limit")
        parser.add_argument("--test", action="store_true", help="a test key: it costs nothing and draws samples")

    def handle(self, *, email: str, name: str, rate_limit: int | None, test: bool, **options: Any) -> None:
        if rate_limit is not None and not 1 <= rate_limit <= 1_000_000:
            raise CommandError("--rate-limit is a number of requests a minute from 1 to 1000000.")
        if not name.strip() or len(name) > 80:
            raise CommandError("--name is 1 to 80 characters.")
        user = User.objects.find(email)
        if user is None:
            raise CommandError(f"Nobody is registered as {email}.")
        _, secret = keys.mint(user=user, name=name.strip(), rate_limit=rate_limit, is_test=test)
        self.stdout.write(secret)
