"""`create_user EMAIL [--password P] [--staff]`"""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from accounts.models import User
from reveweb.login import proof


class Command(BaseCommand):
    help = (
        "Create a user, whose address counts as confirmed. Without a password they set one through “Forgot your "
        "password?”, which sends a mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--password")
        parser.add_argument("--staff", action="store_true", help="may open the admin and do everything there")

    def handle(self, *, email: str, password: str | None, staff: bool, **options: Any) -> None:
        try:
            User._meta.get_field("email").clean(email, None)
            with transaction.atomic():
                proof.make_way(email)  # a stranger may have signed up with it
                proof.drop_wishes(email)
                user = User.objects.create_confirmed(email, password, is_staff=staff, is_superuser=staff)
        except ValidationError:
            raise CommandError(f"{email!r} is not an email address.") from None
        except IntegrityError:
            raise CommandError(f"{email} has an account already.") from None
        how = "they log in with the password" if password else "“Forgot your password?” mails them a link to set one"
        may = ", and may open the admin and do everything there" if staff else ""
        self.stdout.write(f"Created {user.email}, a confirmed address: {how}{may}.")
