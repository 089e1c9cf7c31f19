"""Keeps secrets out of findings, whatever library's words a cause repeats."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from urllib.parse import quote, unquote

from django.conf import settings

from reveweb.doctor.findings import Finding

SHOWN = "…"
LEAST = 8  # characters: what is shorter would take words apart, and is no secret
MOST = 2000  # characters of a cause, or of a cure
_NAMED = re.compile(r"(SECRET|PASSWORD|TOKEN|PRIVATE|DSN)|_KEY(S)?$|_KEY_FALLBACKS$|_CREDENTIALS$")
_IN_URL = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?=@)")


def without_secrets(finding: Finding) -> Finding:
    """Return a finding in one line, without anything that opens something."""
    return replace(finding, cause=clean(finding.cause), cure=clean(finding.cure))


def clean(words: str) -> str:
    """Return `words` in one line, not too long, each secret of the settings and each password of a URL left out."""
    words = _IN_URL.sub(rf"\g<before>{SHOWN}", " ".join(words.split()))
    for secret in _secrets():
        words = words.replace(secret, SHOWN)
    return words if len(words) <= MOST else words[: MOST - 1] + "…"


def _secrets() -> list[str]:
    """Return what may not be shown, the longest first: one may be part of another."""
    known = {each for value in _values() for each in (value, quote(value, safe=""), unquote(value))}
    return sorted((each for each in known if len(each) >= LEAST), key=len, reverse=True)


def _values() -> Iterator[str]:
    for name in filter(_NAMED.search, dir(settings)):
        value = getattr(settings, name)
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, str) and not (settings.SANDBOX and each == settings.UPSTREAM_API_KEY):
                yield each
    for database in settings.DATABASES.values():
        yield str(database.get("PASSWORD") or "")
    for url in (settings.REDIS_URL, settings.CELERY_BROKER_URL):
        yield from _passwords(url)


@lru_cache(maxsize=8)
def _passwords(url: str) -> tuple[str, ...]:
    return tuple(re.findall(r"://[^\s:/@]*:([^\s@]+)@", url))
