"""Admission in one statement on PostgreSQL: the usual case of `admission`, which has all others and every refusal."""

from functools import cache

from django.conf import settings
from django.utils import timezone

from accounts.models import ApiKey, User
from billing.ledger import one_statement as ledger
from billing.models import Plan
from generator.ask.callers import Caller
from generator.jobs import caps
from generator.models import Generation, Group
from generator.upstreams import routing
from kit import postgres


def fits(caller: Caller) -> bool:
    """Tell whether one image for `caller` may be admitted so: the statement itself looks whether that still holds."""
    plan = caller.wallet.plan
    key = caller.api_key
    is_plain = caller.token is None and not key.is_test
    is_capped = key.daily_credit_cap is not None or key.lifetime_credit_cap is not None
    return postgres.is_used() and is_plain and not is_capped and (plan is None or plan.max_in_flight is None)


async def admit(caller: Caller, group: Group, generation: Generation) -> int | None:
    """Hold the credits, and insert `group` and its one `generation`; return the balance, or None when nothing was done.

    That is whenever `caller` is not what it was, and whenever something is in the way. Raises IntegrityError when there
    is such a generation already, by its id or its idempotency key.
    """
    key, wallet = caller.api_key, caller.wallet
    parameters = {
        column: _told(getattr(generation, attribute)) for column, attribute in _own_columns() if column != "wallet_id"
    }
    parameters |= {
        "wallet": str(wallet.pk),
        "key": str(key.pk),
        "key_version": str(key.version),
        "key_rate": _told(key.rate_limit),
        "cap": _told(key.monthly_credit_cap),
        "plan": _told(wallet.plan_id),
        "plan_rate": _told(wallet.plan.rate_limit if wallet.plan else None),
        "wallet_rate": _told(wallet.rate_limit),
        "now": generation.created_at,
        "month": caps.month_of(generation.created_at),
        "day": caps.day_of(generation.created_at),
        "source": str(group.source),
        "webhook_url": group.webhook_url,
        "credits": str(generation.credits),
        "reference": generation.credit_reference,
        "cause": generation.credit_cause,
        **routing.open_parameters(generation),
        "low": str(settings.LOW_BALANCE_CREDITS),
    }
    found = await postgres.row(_statement(), parameters, first=ledger.LOCK)
    if found is None:
        return None
    generation.pk, group.pk, balance = found
    generation.group = group
    generation._state.adding = group._state.adding = False
    return int(balance)


async def is_known(wallet_id: int, idempotency_key: str) -> bool:
    """Tell whether `wallet_id` has a generation under this idempotency key."""
    table = Generation._meta.db_table
    statement = f'SELECT 1 FROM "{table}" WHERE wallet_id = %(wallet)s::bigint AND idempotency_key = %(key)s'  # noqa: S608 (names of tables)
    return await postgres.row(statement, {"wallet": str(wallet_id), "key": idempotency_key}) is not None


async def find(caller: Caller, public_id: str) -> Generation | None:
    """Return a generation that `caller`, whose key still opens, may see; None when there is none, or no such key.

    Also None for who does not see all of the account's images: others look those up.
    """
    if not caller.sees_all:
        return None
    parameters = {"id": public_id, "wallet": str(caller.wallet.pk), "key": str(caller.api_key.pk)}
    parameters["key_version"] = str(caller.api_key.version)
    found = await postgres.row(_finding(), parameters | {"now": timezone.now()})
    if found is None:
        return None
    return Generation.from_db("default", [field.attname for field in Generation._meta.concrete_fields], found)


def _told(value: object) -> object:
    """Return a value as the driver is to send it: numbers as text, for which type they are would be told by their size,
    and a statement is prepared once for each combination of types."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@cache
def _own_columns() -> tuple[tuple[str, str], ...]:
    """The columns that differ from one generation to the next, with their attributes: what has no constant default."""
    varying = {"wallet", "api_key", "prompt", "negative_prompt", "aspect_ratio", "idempotency_key", "request_digest"}
    varying |= {"is_awaited", "deadline_at", "search_text", "operation", "image_model", "size", "quality", "seed"}
    return tuple(
        (str(field.column), field.attname)
        for field in Generation._meta.concrete_fields
        if field.name in varying or (field.has_default() and callable(field.default))
    )


@cache
def _finding() -> str:
    columns = ", ".join(f'g."{field.column}"' for field in Generation._meta.concrete_fields)
    key, user, table = (f'"{model._meta.db_table}"' for model in (ApiKey, User, Generation))
    return f"""
SELECT {columns} FROM {table} g JOIN {key} k ON k.id = %(key)s::bigint JOIN {user} u ON u.id = k.user_id
WHERE g.public_id = %(id)s AND g.wallet_id = %(wallet)s::bigint AND g.deleted_at IS NULL
    AND k.version = %(key_version)s::int AND g.is_test = k.is_test
    AND k.revoked_at IS NULL AND u.is_active AND (k.expires_at IS NULL OR k.expires_at > %(now)s::timestamptz)
"""  # noqa: S608 (names of tables)


@cache
def _statement() -> str:
    key, user, plan = (f'"{model._meta.db_table}"' for model in (ApiKey, User, Plan))
    made = {column: f"%({column})s" for column, _ in _own_columns()} | {
        "wallet_id": "%(wallet)s::bigint",
        "group_id": "asked.id",
        "credits": "%(credits)s::int",
    }
    asked = {name: made[name] for name in ("wallet_id", "api_key_id", "operation", "image_model_id", "created_at")} | {
        "source": "%(source)s",
        "idempotency_key": made["idempotency_key"],
        "digest": made["request_digest"],
        "webhook_url": "%(webhook_url)s",
    }
    return f"""
WITH opened AS (
    SELECT k.id FROM {key} k JOIN {user} u ON u.id = k.user_id
    WHERE k.id = %(key)s::bigint AND k.revoked_at IS NULL AND u.is_active
        AND (k.expires_at IS NULL OR k.expires_at > %(now)s::timestamptz)
        AND k.version = %(key_version)s::int AND k.rate_limit IS NOT DISTINCT FROM %(key_rate)s::int
        AND k.monthly_credit_cap IS NOT DISTINCT FROM %(cap)s::int
        AND (k.monthly_credit_cap IS NULL OR (k.rotated_from_id IS NULL AND k.expires_at IS NULL))
),
entitled AS (
    SELECT 1 WHERE %(plan)s::bigint IS NULL OR EXISTS (
        SELECT 1 FROM {plan} WHERE id = %(plan)s::bigint AND max_in_flight IS NULL
            AND rate_limit IS NOT DISTINCT FROM %(plan_rate)s::int
    )
),
{
        ledger.found(
            only_if=f'''plan_id IS NOT DISTINCT FROM %(plan)s::bigint
        AND rate_limit IS NOT DISTINCT FROM %(wallet_rate)s::int
        AND EXISTS (SELECT 1 FROM opened) AND EXISTS (SELECT 1 FROM entitled)
        AND {routing.is_open_in_sql()}'''
        )
    },
counted AS ({caps.counted(source="spendable")}),
{ledger.written(source="counted")},
asked AS ({postgres.insert(Group, asked, source="paid")} RETURNING id),
made AS ({postgres.insert(Generation, made, source="asked")} RETURNING id)
SELECT made.id, asked.id, paid.balance FROM made, asked, paid
"""  # noqa: S608 (names of tables)
