"""Errors sent to a Sentry, or what speaks its protocol, where `SENTRY_DSN` names one; without it nothing is loaded.

An event says where it happened and which request and image it was about. It never has a body, a prompt, a key, a
cookie, an address or a local variable: what leaves this site must not hold what its people trusted it with. Nor has it
a URL, for some let whoever has them in, and others have a search in them: the route, `transaction`, tells which page.
"""

from collections.abc import Mapping
from typing import Any

from kit import request_id
from kit.scrub import scrubbed

KEPT_OF_A_REQUEST = ("method",)
URLS = ("url", "http.query", "http.fragment")  # of a breadcrumb that tells of a call
BREADCRUMBS = 30


def report(*, dsn: str, environment: str, release: str) -> None:
    """Send errors of this process from now on."""
    import sentry_sdk  # here: it takes a fifth of a second and some megabytes
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.django import DjangoIntegration

    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release,
        integrations=[DjangoIntegration(middleware_spans=False, signals_spans=False), CeleryIntegration()],
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=BREADCRUMBS,
        server_name="",
        before_send=_told,
        before_breadcrumb=_crumb,
        shutdown_timeout=2,
    )


def _told(event: Any, hint: Any) -> Any:
    """Return what is sent of an event."""
    if "request" in event:
        request = event["request"]
        event["request"] = {name: request[name] for name in KEPT_OF_A_REQUEST if name in request}
    event.pop("user", None)
    if (event.get("transaction_info") or {}).get("source") == "url":  # no route was found yet
        event.pop("transaction", None)
    event.get("extra", {}).pop("sys.argv", None)  # a command's line may have a password
    tags = dict(event.get("tags") or {})
    if request_id.current.get():
        tags["request_id"] = request_id.current.get()
    if request_id.subject.get():
        tags["generation_id"] = request_id.subject.get()
    event["tags"] = tags
    return _scrubbed(event)


def _crumb(crumb: Any, hint: Any) -> Any:
    """Return what is kept of what happened before."""
    crumb["data"] = {name: value for name, value in (crumb.get("data") or {}).items() if name not in URLS}
    return crumb


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, Mapping):
        return {name: _scrubbed(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(one) for one in value]
    return value
