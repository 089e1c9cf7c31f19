from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        """Say what this installation is called, and see to it that it has a name once there is a table for it."""
        from billing import identity  # models can be imported only now
        from kit import site

        def give_name(**_: Any) -> None:
            identity.installation()

        site.provide(identity.installation)
        post_migrate.connect(give_name, sender=self, weak=False, dispatch_uid="installation")
