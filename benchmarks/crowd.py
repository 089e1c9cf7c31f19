"""A large installation, written by SQL: 100,000 people, 1,000,000 images and all that comes with them.

`SCALE=0.1` makes it a tenth.
"""

import os
import time
from typing import Any

SCALE = float(os.environ.get("SCALE", "1"))
DAYS = 365
PEOPLE, IMAGES = int(100_000 * SCALE), int(1_000_000 * SCALE)
PAYMENTS, EVENTS, MAILS, DELIVERIES, CALLS = (int(n * SCALE) for n in (100_000, 300_000, 200_000, 200_000, 500_000))
ATTEMPTS = IMAGES // 2


class Words:
    """How a database says what the fill needs of it."""

    def __init__(self, vendor: str) -> None:
        self.is_sqlite = vendor == "sqlite"

    def rows(self, count: int) -> str:
        """Return a source of the numbers `n` from 1 to `count`."""
        if self.is_sqlite:
            return (
                f"(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < {count}) SELECT n FROM r) s"
            )
        return f"(SELECT n FROM generate_series(1::bigint, {count}) AS n) s"

    def time(self, share: str) -> str:
        """Return a time that far, from 0 to 1, into the last year."""
        epoch = f"({time.time() - DAYS * 86400:.0f} + CAST(({share}) * {DAYS * 86400} AS bigint))"
        if self.is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%S', {epoch}, 'unixepoch')"
        return f"to_timestamp({epoch})"


def fill() -> None:
    """Fill an empty database, in a transaction for each table."""
    from django.db import connection

    from accounts.models import ApiKey, User
    from billing import models as billing
    from generator import models as generator

    words = Words(connection.vendor)
    at = words.time
    wallet = f"(1 + (n * 7919) % {PEOPLE})"
    image_at = f"1.0 * n / {IMAGES}"
    completed = "n % 20 <> 0"
    _insert(
        words,
        User,
        PEOPLE,
        email="'person' || n || '@' || "
        "(CASE n % 3 WHEN 0 THEN 'example.com' WHEN 1 THEN 'mail.test' ELSE 'studio.art' END)",
        name="'Person ' || n || ' Smith'",
        password="'!x'",
        date_joined=at(f"1.0 * n / {PEOPLE}"),
        is_active="(n % 50 <> 0)",
    )
    _insert(words, billing.Wallet, PEOPLE, user="n", balance="10", plan="NULL", created_at=at(f"1.0 * n / {PEOPLE}"))
    _insert(
        words,
        ApiKey,
        PEOPLE,
        user="n",
        name="'key'",
        prefix="'rv_' || n",
        digest="'d' || n",
        created_at=at(f"1.0 * n / {PEOPLE}"),
    )
    _insert(words, billing.StripeAccount, 1, stripe_id="'acct_bench'", livemode=_bool(words, "1=0"))
    _insert(
        words,
        billing.StripeCustomer,
        PEOPLE // 2,
        wallet="n",
        account="1",
        stripe_id="'cus_' || n",
        email="'person' || n || '@example.com'",
        created_at=at(f"1.0 * n / {PEOPLE}"),
    )
    sold = "(CASE n % 3 WHEN 0 THEN 'welcome' WHEN 1 THEN 'pack' ELSE 'staff' END)"
    grants = PEOPLE * 3
    _insert(
        words,
        billing.CreditGrant,
        grants,
        wallet=wallet,
        source=sold,
        amount="20",
        remaining="0",
        created_at=at(f"1.0 * n / {grants}"),
    )
    _insert(
        words,
        billing.Payment,
        PAYMENTS,
        wallet=f"(1 + ((n * 3 - 2) * 7919) % {PEOPLE})",
        account="1",
        reference="'checkout:cs_' || n",
        payment_intent="'pi_' || n",
        amount="900",
        currency="'usd'",
        credits="20",
        description="'100 credits'",
        grant="n * 3 - 2",
        created_at=at(f"1.0 * n / {PAYMENTS}"),
        refunded="(CASE WHEN n % 100 = 0 THEN 900 ELSE 0 END)",
    )
    _insert(
        words,
        billing.Order,
        PAYMENTS,
        wallet=wallet,
        account="1",
        stripe_session_id="'cs_' || n",
        status="'paid'",
        created_at=at(f"1.0 * n / {PAYMENTS}"),
    )
    _insert(
        words,
        billing.Subscription,
        PEOPLE // 5,
        wallet="n",
        account="1",
        stripe_id="'sub_' || n",
        status="(CASE n % 4 WHEN 0 THEN 'canceled' ELSE 'active' END)",
        created_at=at(f"1.0 * n / {PEOPLE}"),
    )
    _insert(
        words,
        billing.Dispute,
        max(1, PAYMENTS // 500),
        stripe_id="'dp_' || n",
        payment="n * 100",
        status="(CASE n % 3 WHEN 0 THEN 'lost' ELSE 'won' END)",
        reason="'fraudulent'",
        amount="900",
        created_at=at("0.5"),
        closed_at=at("0.6"),
    )
    _insert(
        words,
        billing.StaffRefund,
        max(1, PAYMENTS // 100),
        payment="n * 100",
        amount="900",
        reason="'asked'",
        status="'made'",
        nonce=_uuid(words),
        idempotency_key="'i' || n",
        stripe_id="'re_' || n",
        created_at=at("0.5"),
    )
    _insert(
        words,
        billing.StripeEvent,
        EVENTS,
        id="'evt_' || n",
        type="(CASE n % 5 WHEN 0 THEN 'invoice.paid' WHEN 1 "
        "THEN 'checkout.session.completed' WHEN 2 THEN 'customer.updated' ELSE 'charge.refunded' END)",
        payload='\'{"data": {"object": {"id": "x", "filler": "\' || ' + _filler(1500) + " || '\"}}}'",
        account="1",
        livemode=_bool(words, "1=0"),
        received_at=at(f"1.0 * n / {EVENTS}"),
        handled_at=f"(CASE WHEN n % 10000 = 0 THEN NULL ELSE {at(f'1.0 * n / {EVENTS}')} END)",
        ignored="(CASE n % 50 WHEN 0 THEN 'not ours' ELSE '' END)",
    )
    _insert(
        words,
        billing.OutgoingMail,
        MAILS,
        reference="'mail:' || n",
        wallet=wallet,
        template="(CASE n % 3 WHEN 0 THEN 'email/receipt' WHEN 1 THEN 'email/welcome' ELSE 'email/low_balance' END)",
        created_at=at(f"1.0 * n / {MAILS}"),
        sent_at=f"(CASE WHEN n % 1000 = 0 THEN NULL ELSE {at(f'1.0 * n / {MAILS}')} END)",
        failed_at=f"(CASE WHEN n % 1000 = 0 THEN {at(f'1.0 * n / {MAILS}')} END)",
    )
    _insert(
        words,
        billing.AuditRecord,
        PEOPLE,
        actor="1",
        wallet=wallet,
        action="(CASE n % 3 WHEN 0 THEN 'Suspended' ELSE 'Granted credits' END)",
        reason="'asked by mail ' || n",
        created_at=at(f"1.0 * n / {PEOPLE}"),
    )
    _insert(
        words,
        generator.Generation,
        IMAGES,
        public_id="'img_' || n",
        wallet=wallet,
        api_key=f"(CASE WHEN n % 2 = 0 THEN {wallet} END)",
        prompt="'a painting of a lighthouse, number ' || n",
        search_text="'a painting of a lighthouse, number ' || n",
        aspect_ratio="'3:2'",
        request_digest="''",
        file_token="'t' || n",
        file_extension="'png'",
        status=f"(CASE WHEN {completed} THEN 'completed' ELSE 'failed' END)",
        credits="1",
        error_code="(CASE n % 60 WHEN 0 THEN 'prompt_refused' WHEN 20 THEN 'upstream_failed' WHEN 40 THEN 'cancelled' "
        "ELSE '' END)",
        upstream_id="'up_' || n",
        is_listed=_bool(words, "n % 500 = 1"),
        is_test=_bool(words, "n % 100 = 3"),
        created_at=at(image_at),
        due_at=at(image_at),
        deadline_at=at(image_at),
        finished_at=at(image_at),
        share_token="NULL",
        idempotency_key="NULL",
        width="900",
        height="600",
        file_size="100000",
    )
    _insert(
        words,
        generator.Attempt,
        ATTEMPTS,
        generation="n * 2",
        number="1",
        upstream="(SELECT min(id) FROM generator_upstream)",
        state="(CASE WHEN (n * 2) % 20 <> 0 THEN 'drawn' ELSE 'failed' END)",
        upstream_job="'up_' || (n * 2)",
        cost_micros="40000",
        cost_currency="'USD'",
        started_at=at(f"1.0 * n / {ATTEMPTS}"),
        ended_at=at(f"1.0 * n / {ATTEMPTS}"),
    )
    # Entries by blocks of ids: the grants', each image's hold, and what ended that.
    entries = billing.CreditEntry
    _insert(
        words,
        entries,
        grants,
        wallet=wallet,
        kind="'grant'",
        amount="20",
        balance_after="20",
        reference="'grant:' || n",
        cause="'Granted'",
        created_at=at(f"1.0 * n / {grants}"),
    )
    _insert(
        words,
        entries,
        IMAGES,
        base=grants,
        wallet=wallet,
        kind="'hold'",
        amount="-1",
        balance_after="10",
        reference="'generation:img_' || n",
        cause="'Image img_' || n",
        created_at=at(image_at),
    )
    _insert(
        words,
        entries,
        IMAGES,
        base=grants + IMAGES,
        wallet=wallet,
        kind=f"(CASE WHEN {completed} THEN 'settle' ELSE 'release' END)",
        amount=f"(CASE WHEN {completed} THEN 0 ELSE 1 END)",
        balance_after="10",
        of=f"n + {grants}",
        cause="'Image img_' || n",
        created_at=at(image_at),
    )
    rest = int(3_000_000 * SCALE) - grants - 2 * IMAGES
    _insert(
        words,
        entries,
        rest,
        base=grants + 2 * IMAGES,
        wallet=wallet,
        kind="'expire'",
        amount="-1",
        balance_after="10",
        cause="'Expired'",
        created_at=at(f"1.0 * n / {rest}"),
    )
    lines = billing.CreditLine
    _insert(words, lines, grants, entry="n", grant="n", amount="20")
    _insert(words, lines, IMAGES, base=grants, entry=f"n + {grants}", grant=f"(1 + n % {grants})", amount="-1")
    _insert(
        words,
        generator.WebhookEndpoint,
        max(1, PEOPLE // 50),
        public_id="'we_' || n",
        wallet="n",
        url="'https://a.example/' || n",
        secret="'x'",
        created_at=at(f"50.0 * n / {PEOPLE}"),
    )
    _insert(
        words,
        generator.WebhookDelivery,
        DELIVERIES,
        public_id="'msg_' || n",
        wallet=wallet,
        generation="n",
        event="'image.completed'",
        url="'https://a.example/'",
        host="'a.example'",
        lane="'a'",
        state="(CASE n % 40 WHEN 0 THEN 'failed' ELSE 'delivered' END)",
        created_at=at(f"1.0 * n / {DELIVERIES}"),
    )
    _insert(
        words,
        generator.ApiCall,
        CALLS,
        request_id="'req_' || n",
        wallet=wallet,
        key_prefix="'rv_' || n",
        method="'POST'",
        path="'/v1/reve-image/generate'",
        route="'/v1/reve-image/generate'",
        status="200",
        duration_ms="100",
        created_at=at(f"1.0 * n / {CALLS}"),
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if words.is_sqlite else "VACUUM ANALYZE")


def _bool(words: Words, condition: str) -> str:
    return f"({condition})"


def _uuid(words: Words) -> str:
    if words.is_sqlite:
        return "printf('%032x', n)"
    return "CAST(lpad(to_hex(n), 32, '0') AS uuid)"


def _filler(length: int) -> str:
    return f"'{'x' * length}'"


def _insert(words: Words, model: Any, count: int, *, base: int = 0, **expressions: str) -> None:
    """Write `count` rows; what is not told of a column is its default."""
    from django.db import connection, transaction

    begun, columns, values = time.perf_counter(), [], []
    for field in model._meta.concrete_fields:
        if field.primary_key and field.name not in expressions:
            value = f"n + {base}"
        elif field.name in expressions:
            value = expressions[field.name]
        else:
            value = _default(words, field)
        if field.get_internal_type() == "JSONField" and not words.is_sqlite:
            value = f"CAST({value} AS jsonb)"
        columns.append(f'"{field.column}"')
        values.append(value)
    table = model._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({", ".join(columns)}) SELECT {", ".join(values)} FROM {words.rows(count)}'
        )
        if not words.is_sqlite and model._meta.pk.get_internal_type() in ("AutoField", "BigAutoField"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('\"{table}\"', 'id'), {base + count})")
    print(f"  {count:>9,} {table} in {time.perf_counter() - begun:.1f} s", flush=True)


def _default(words: Words, field: Any) -> str:
    kind = field.get_internal_type()
    if field.null:
        return "NULL"
    if kind == "DateTimeField":
        return words.time("0.5")
    if kind == "BooleanField":
        return "(1=1)" if field.default is True else "(1=0)"
    if kind == "JSONField":
        return "'[]'" if callable(field.default) and isinstance(field.default(), list) else "'{}'"
    if kind in ("CharField", "TextField", "EmailField"):
        usual = field.default
        return f"'{usual}'" if isinstance(usual, str) and usual else "''"
    usual = field.default
    return str(int(usual)) if isinstance(usual, int) else "0"
