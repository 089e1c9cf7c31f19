"""What a program is told that asks for an address of the API where nothing is: where there is something."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from django.http import Http404, HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver

from kit.http.requests import site_of
from reveweb.answers import ANSWERS, Answer
from reveweb.lanes import Lane, lane_of


def answer(request: HttpRequest) -> Answer:
    """Return the 404 of an address of the API."""
    *most, last = families()
    message = (
        f"There is nothing at this address. The API is at {', '.join(most)} and {last}: see {site_of(request)}/docs/."
    )
    return replace(ANSWERS[Http404], message=message)


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Return what the API's addresses begin with, such as `/v1/files`: read off the addresses that there are."""
    found = ("/" + "/".join(pattern.split("/")[:2]).rstrip("/") for pattern in _patterns(get_resolver()))
    return tuple(sorted({one for one in found if "<" not in one and "." not in one and one.count("/") in (1, 2)}))


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        pattern = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one, pattern)
        elif (
            isinstance(one, URLPattern)
            and Lane.API in lane_of(f"/{pattern}")
            and pattern.strip("/") not in ("v1", "api")
        ):
            yield pattern
