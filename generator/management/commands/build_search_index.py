"""`build_search_index`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generator.library import search_index


class Command(BaseCommand):
    help = (
        "On PostgreSQL, build the index of prompts that searching uses, with the extensions that it needs, while the "
        "site runs. For where `migrate` could not. Running it again does no harm."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            search_index.build(self._say)
        except search_index.CannotBuild as error:
            raise CommandError(str(error)) from None

    def _say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()
