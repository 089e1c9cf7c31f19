import logging

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register
from django.db.models.signals import post_migrate

from reveweb.checks import CAPACITY, check_capacity
from reveweb.observe import errors, traces
from reveweb.version import VERSION


class RevewebConfig(AppConfig):
    name = "reveweb"

    def ready(self) -> None:
        from billing.staff import roles  # models are there only now

        logging.captureWarnings(settings.LOG_FORMAT == "json")  # each line is an object, Python's own warnings too
        if settings.SENTRY_DSN:
            errors.report(dsn=settings.SENTRY_DSN, environment=settings.SENTRY_ENVIRONMENT, release=VERSION)
        traces.begin()
        register(check_capacity, CAPACITY)
        # The last of the apps that have models: by then every permission that a role names is there.
        post_migrate.connect(roles.sync, sender=self, dispatch_uid="roles")
