"""What is checked of the rows, beside a database: `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as Doubt
from django.db import DatabaseError, connections

from generator.models import Upstream
from generator.upstreams import secret


def check_keys(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Say which upstreams in use have a key that is not to be had, and whose key still needs a former SECRET_KEY."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        try:
            if Upstream._meta.db_table not in connections[alias].introspection.table_names():
                continue  # nothing is migrated yet
            upstreams = list(Upstream.objects.using(alias).filter(is_active=True).only("slug", "secret"))
        except DatabaseError:
            continue  # which other checks tell of
        for upstream in upstreams:
            if words := secret.problem(upstream.secret):
                found.append(Doubt(f"{upstream.slug} draws nothing: {words}", id="generator.W001"))
            elif not secret.is_newest(upstream.secret):
                hint = "Run manage.py upstreams --reseal before it is taken out of SECRET_KEY_FALLBACKS."
                found.append(Doubt(f"The key of {upstream.slug} needs a former SECRET_KEY.", hint, id="generator.W002"))
    return found
