"""Make a copy of an installation, such as a restored backup beside its original, one of its own."""

from typing import Any

from django.core.management.base import BaseCommand

from billing import identity


class Command(BaseCommand):
    help = (
        "Give this installation, a copy that runs beside its original, a name of its own at Stripe. What the original "
        "sold stays the original's: plans and customers are made anew here. Never needed for a backup that takes its "
        "original's place."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        before = identity.installation()
        self.stdout.write(f"This installation was {before} and is {identity.rename()} now.")
