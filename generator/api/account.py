"""The endpoints that tell a key what it is, and what its account has and used."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from ninja import Query, Router

from billing.ledger import statement
from billing.models import Subscription, Wallet
from billing.stripe import checkout
from generator.api.account_schemas import Account, Key, Usage, UsageQuery
from generator.api.calling import ApiRequest, accounting, answer, any_key
from generator.ask import limits
from generator.errors import InvalidRequest, LimiterUnavailable, TooManyParts
from generator.jobs import caps
from generator.library import usage
from generator.library.usage import Part
from generator.models import Generation
from kit.http.csv_export import to_csv
from kit.threads import in_thread

router = Router()

MOST_DAYS = 366
USUAL_DAYS = 30
_PARTS = ("day", "key", "model")


@router.get(
    "/key", auth=any_key, tags=["Account"], response={200: Key}, summary="Look at the key", operation_id="get_key"
)
@router.get("/key/", auth=any_key, include_in_schema=False)
async def key(request: ApiRequest) -> HttpResponse:
    """Tell what the key that asks is, what it may do, and what is left of what it may spend."""
    await limits.take_status_soon(request.caller)
    body = await in_thread(partial(_token if request.caller.token else _key, request))
    return answer(body | await _rate(request))


def _key(request: ApiRequest) -> dict[str, Any]:
    found = request.caller.api_key
    return {
        "object": "key",
        "id": found.prefix,
        "kind": "test" if found.is_test else "live",
        "name": found.name,
        "scopes": found.scopes,
        **_lists(models=found.image_models, allowed_ips=found.allowed_ips),
        "caps": {cap.period: _cap(cap) for cap in caps.of(found)},
        "created_at": moment(found.created_at),
        **_moments(expires_at=found.expires_at, last_used_at=found.last_used_at),
    }


def _token(request: ApiRequest) -> dict[str, Any]:
    """Describe a browser token, to a browser: of the key behind it only what holds for both."""
    token, found = request.caller.token, request.caller.api_key
    assert token is not None
    return {
        "object": "key",
        "id": token.prefix,
        "kind": "browser_token",
        "scopes": ["generate"],
        **_lists(models=found.image_models),
        "origin": token.origin,
        "caps": {"token": _cap(caps.of_token(token))},
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
    }


@router.get(
    "/account",
    auth=accounting,
    tags=["Account"],
    response={200: Account},
    summary="Look at the account",
    operation_id="get_account",
)
@router.get("/account/", auth=accounting, include_in_schema=False)
async def account(request: ApiRequest) -> HttpResponse:
    """Tell what the account has: its credits and when they expire, its plan, and its limits. Whose it is stays out."""
    await limits.take_status_soon(request.caller)
    return answer(await in_thread(partial(_account, request.caller.wallet)) | await _rate(request, own=False))


def _account(wallet: Wallet) -> dict[str, Any]:
    grants = [one for one in statement.open_grants(wallet) if not one.is_frozen and not one.is_over]
    subscription = checkout.live_subscription(wallet)
    most = wallet.plan.max_in_flight if wallet.plan else None
    return {
        "object": "account",
        "balance": wallet.balance,
        "buckets": [
            {"source": one.source, "credits": one.remaining, **_moments(expires_at=one.use_by)} for one in grants
        ],
        **({"plan": _plan(subscription)} if subscription and subscription.plan else {}),
        "unfinished": wallet.generations.filter(status__in=Generation.UNFINISHED, is_test=False).count(),
        **({} if most is None else {"max_unfinished": most}),
    }


def _plan(subscription: Subscription) -> dict[str, Any]:
    renews_at = subscription.period_end if subscription.cancel_at is None else None
    return {
        "name": subscription.plan.name if subscription.plan else "",
        **({"credits": subscription.credits} if subscription.credits else {}),
        **_moments(renews_at=renews_at, ends_at=subscription.cancel_at),
    }


@router.get(
    "/usage",
    auth=accounting,
    tags=["Account"],
    response={200: Usage},
    by_alias=True,
    summary="Count what was used",
    operation_id="get_usage",
)
@router.get("/usage/", auth=accounting, include_in_schema=False)
async def get_usage(request: ApiRequest, query: Query[UsageQuery]) -> HttpResponse:
    """Count images, credits and failures by day, key and model, as JSON or CSV. Images of test keys do not count."""
    await limits.take_status_soon(request.caller)
    first, last = _days(query)
    by = [part for part in _PARTS if part in query.group_by.split(",")]
    try:
        found = await in_thread(partial(usage.parts, request.caller.wallet, first, last, by))
    except TooManyParts as error:
        raise InvalidRequest("group_by", f"there are more than {error.most:,} rows; ask for fewer days") from error
    if query.format == "csv" or (query.format is None and _prefers_csv(request)):
        return _csv(found, by, f"usage-{first}-{last}.csv")
    total = {name: sum(getattr(part, name) for part in found) for name in ("images", "credits", "failed")}
    return answer(
        {
            "object": "usage",
            "from": str(first),
            "to": str(last),
            "group_by": by,
            "data": [_part(part, by) for part in found],
            "total": total,
        }
    )


def _days(query: UsageQuery) -> tuple[date, date]:
    last = query.last or timezone.now().astimezone(UTC).date()
    if last.year > 9000:
        raise InvalidRequest("to", "must be an earlier day")
    first = query.first or max(date.min, last - timedelta(days=min(USUAL_DAYS - 1, (last - date.min).days)))
    if first > last:
        raise InvalidRequest("from", "must not be after 'to'")
    if (last - first).days >= MOST_DAYS:
        raise InvalidRequest("from", f"ask for at most {MOST_DAYS} days at once")
    return first, last


def _prefers_csv(request: HttpRequest) -> bool:
    return request.get_preferred_type(["application/json", "text/csv"]) == "text/csv"


def _part(part: Part, by: list[str]) -> dict[str, Any]:
    told = asdict(part) | {"key": part.key.prefix if part.key else ""}
    names = [*by, "images", "credits", "failed"]
    named = {"key_name": part.key.name} if "key" in by and part.key else {}
    return {name: told[name] for name in names} | named


def _csv(found: list[Part], by: list[str], name: str) -> HttpResponse:
    columns = [*(("key", "key_name") if part == "key" else (part,) for part in by), ("images", "credits", "failed")]
    head = [column for some in columns for column in some]
    rows = [[_part(part, by).get(column, "") for column in head] for part in found]
    response = HttpResponse(to_csv([head, *rows]), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["Cache-Control"] = "no-store"
    return response


async def _rate(request: ApiRequest, *, own: bool = True) -> dict[str, Any]:
    window = limits.generate_window(request.caller.wallet, request.caller.api_key if own else None)
    try:
        rate = await limits.peek_soon(window)
    except LimiterUnavailable:
        return {}
    return {"rate_limit": {"limit": rate.limit, "remaining": rate.remaining, "reset": rate.reset}}


def _cap(cap: caps.Cap) -> dict[str, Any]:
    limited = {} if cap.credits is None else {"limit": cap.credits, "left": cap.left}
    return {"spent": cap.spent, **limited, **_moments(resets_at=cap.resets_at)}


def _lists(**lists: list[str]) -> dict[str, list[str]]:
    return {name: some for name, some in lists.items() if some}


def _moments(**moments: datetime | None) -> dict[str, str]:
    return {name: moment(at) for name, at in moments.items() if at is not None}


def moment(at: datetime) -> str:
    """Return a moment as the API tells it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
