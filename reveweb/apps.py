from django.apps import AppConfig, apps
from django.core.checks import register
from django.db.models.signals import post_migrate

from reveweb.checks import CAPACITY, check_capacity


class RevewebConfig(AppConfig):
    name = "reveweb"

    def ready(self) -> None:
        from billing.staff import roles  # models are there only now

        register(check_capacity, CAPACITY)
        # The last of the apps that have models: by then every permission that a role names is there.
        post_migrate.connect(roles.sync, sender=apps.get_app_config("generator"), dispatch_uid="roles")
