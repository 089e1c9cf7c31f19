"""Calls that were seen become rows: here their bodies are looked into, on a thread that nobody waits for."""

import json
import logging
import re
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from django.db import DataError, IntegrityError

from accounts import keys
from accounts.models import ApiKey
from billing.models import Wallet
from generator.calls import words
from generator.calls.buffer import Buffer
from generator.calls.seen import Seen
from generator.models import ApiCall
from kit.threads import Pool, let_go

log = logging.getLogger(__name__)

MOST_COUNTED = 2**31 - 1  # what the database's whole numbers take
_PROMPT = b'"prompt"'  # a look-up that tells prompts and is about no one image is a list
_NAMED = re.compile(r"(?<=/)[a-z]+(?:_[a-z]+)?_[0-9A-Za-z]{8,}(?:_…)?(?=/|$)")  # an id in a path, or a cut secret
_ODD = (IntegrityError, DataError, OverflowError, ValueError)  # what a database says of a row that it does not take


def write(calls: list[Seen]) -> None:
    """Write calls on one of the threads that the database has connections for."""
    try:
        writing: Future[None] = Pool.DATABASE.executor.submit(_write, calls)
    except RuntimeError:  # the interpreter ends: no pool takes anything any more
        _write(calls)
    else:
        writing.result()


BUFFER = Buffer(write)


def route_of(path: str) -> str:
    """Return a path without what it names: `/v1/reve-image/status/{id}`."""
    return _NAMED.sub("{id}", path.rstrip("/") or "/")


def _write(calls: list[Seen]) -> None:
    try:
        rows = list(_rows(calls))
        try:
            _insert(rows)
        except _ODD:  # a key or an account went in between, or one row is odd: then the others are kept
            for row in _owned(rows):
                try:
                    _insert([row])
                except _ODD as error:
                    log.warning("An API call is missing in the request log: its row is odd (%s)", type(error).__name__)
    finally:
        let_go()


def _insert(rows: list[ApiCall]) -> None:
    # Should nobody know whether it was committed, the same rows are written again: each is there once.
    if rows:
        ApiCall.objects.bulk_create(rows, ignore_conflicts=True)


def _rows(calls: list[Seen]) -> Iterable[ApiCall]:
    """Return the rows of those calls that are somebody's, whose account is open."""
    known = keys.known({call.key_digest: call.key_prefix for call in calls if call.wallet_id is None})
    wallets = dict(
        Wallet.objects.filter(user__in={key.user_id for key in known.values()}).values_list("user", "pk")
        if known
        else ()
    )
    for call in calls:
        if call.wallet_id is None and (key := known.get(call.key_digest)):
            call.wallet_id, call.api_key_id, call.is_test = wallets.get(key.user_id), key.pk, key.is_test
    made = (_row_of(call, call.wallet_id) for call in calls if call.wallet_id is not None)
    return _owned([row for row in made if row is not None])


def _owned(rows: list[ApiCall]) -> list[ApiCall]:
    """Return the rows of accounts that are open; one whose key is gone has none any more."""
    ids = {row.wallet_id for row in rows}
    open_ones = set(Wallet.objects.filter(pk__in=ids, user__deleted_at=None).values_list("pk", flat=True))
    there = set(ApiKey.objects.filter(pk__in={row.api_key_id for row in rows}).values_list("pk", flat=True))
    for row in rows:
        if row.api_key_id not in there:
            row.api_key_id = None
    return [row for row in rows if row.wallet_id in open_ones]


def _row_of(call: Seen, wallet_id: int) -> ApiCall | None:
    """Return the row of a call, without its bodies where they are odd: no call takes others with it."""
    for one in (call, replace(call, request_body=b"", answer_body=b"")):
        try:
            return _row(one, wallet_id)
        except Exception:
            log.exception("A call's bodies are missing in the request log")
    return None


def _row(call: Seen, wallet_id: int) -> ApiCall:
    asked, is_whole = words.kept(call.request_body, words.REQUEST_LENGTH)
    told = _told(call.answer_body)
    images = list(dict.fromkeys(call.about)) or _images(told, call)
    is_list = call.is_look_up and not images and _PROMPT in call.answer_body
    answered, _ = words.kept(b"" if is_list else call.answer_body, words.ANSWER_LENGTH)
    path = words.scrubbed(call.path)[:200]
    return ApiCall(
        request_id=call.request_id,
        wallet_id=wallet_id,
        api_key_id=call.api_key_id,
        key_prefix=call.key_prefix[:16],
        is_test=call.is_test,
        method=call.method[:10],
        path=path,
        route=route_of(path),
        status=call.status,
        error_code=_code(told)[:60],
        duration_ms=call.duration_ms,
        credits=call.cost,
        image_id=images[0] if images else "",
        images=len(images),
        ip=call.ip,
        user_agent=words.scrubbed(call.user_agent)[:200],
        request_headers={name: words.scrubbed(value)[:300] for name, value in call.request_headers.items()},
        answer_headers={name: words.scrubbed(value)[:300] for name, value in call.answer_headers.items()},
        request_body=asked,
        request_bytes=min(call.request_bytes, MOST_COUNTED),
        is_whole=is_whole and len(call.request_body) == call.request_bytes,
        answer_body=answered,
        is_look_up=call.is_look_up,
        count=call.count,
        created_at=call.at,
        last_at=call.last_at,
    )


def _told(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _code(told: dict[str, Any]) -> str:
    """Return the code of an error, in each of the shapes that errors have."""
    error = told.get("error")
    found = error.get("code") or error.get("type") if isinstance(error, dict) else told.get("error_code")
    return found if isinstance(found, str) else ""


def _images(told: dict[str, Any], call: Seen) -> list[str]:
    """Return the ids of the images that an answer describes; a list, which was looked up, is about none of them."""
    several = told.get("images") or told.get("data")  # as OpenAI's clients read them
    if isinstance(several, list) and call.is_look_up:
        return []
    named = several if isinstance(several, list) else [told]
    ids = [one.get("id") or one.get("image_id") for one in named if isinstance(one, dict)]
    error = told.get("error")
    if isinstance(error, dict):  # of a call that stands in another's way
        ids.append(error.get("image_id"))
    return [id for id in ids if isinstance(id, str) and id.startswith("img_") and len(id) <= 40]
