"""One storm: start, load and faults, calm, an audit, and the end of everything that was started."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests import ROOT
from tests.chaos.load import Call, Customer, Records
from tests.chaos.site import DEADLINE, Site
from tests.chaos.studio import Person
from tests.chaos.weather import SPELL_SHADOW, Weather
from tests.stack.test_first_image import sign_up

CUSTOMERS = 4
STUDIO = "studio@example.com"
CREDITS = 2000
API = ("generate", "status")
MISSING = "img_missing"
SETTLE_SECONDS = 15  # beyond the deadline of what was asked for last


@dataclass
class Report:
    """What a storm was and what it found."""

    seed: int
    database: str
    seconds: float = 0.0
    faults: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    ends: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


async def storm(
    site: Site, *, seconds: float, most: int, say: Callable[[str], None], without: Sequence[str] = ()
) -> Report:
    """Let one rage for `seconds` over `site`, with `most` images at most; return what was found.

    `without` are faults to leave out.
    """
    report, began = Report(site.seed, "PostgreSQL" if site.postgres else "SQLite"), time.monotonic()
    try:
        await site.start()
        await _rage(site, report, Weather(site, site.seed, say, without), seconds, most)
    finally:
        report.violations += await site.stop()
        report.seconds = time.monotonic() - began
    return report


async def _rage(site: Site, report: Report, weather: Weather, seconds: float, most: int) -> None:
    records = Records()
    many, greedy, person = await asyncio.to_thread(_move_in, site, records)
    end = time.monotonic() + seconds
    acts = [person.run(end, most), *(one.run(end, most) for one in many)]
    revoking = _revoke(site, weather, end)
    await asyncio.gather(weather.run(seconds), greedy.be_greedy(end, most // 2), revoking, *acts)
    report.faults = len(weather.faults)
    report.violations += weather.troubles + list(_judged(records, weather))
    report.calls = Counter(f"{call.what} {call.status or call.words.partition('(')[0]}" for call in records.calls)
    weather.say(f"  calm after {time.monotonic() - end + seconds:.0f} s")
    report.violations += await _epilogue(site)
    weather.say(f"  takes new work after {time.monotonic() - end + seconds:.0f} s")
    (site.folder / "storm.json").write_text(
        json.dumps(
            {
                "seed": site.seed,
                "accepted": sorted({id for call in records.calls for id in call.accepted}),
                "faults": [[fault.name, fault.start, fault.end] for fault in weather.faults],
            }
        )
    )
    found = await asyncio.to_thread(_audit, site)
    report.violations += found.pop("violations")
    report.ends = found
    weather.say(f"  audited after {time.monotonic() - end + seconds:.0f} s")


async def _revoke(site: Site, weather: Weather, end: float) -> None:
    """Make keys, use them, and see that they open nothing from the moment on when they are revoked."""
    manage = site.stack.manage
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):  # the command says that it could not
            secret = await asyncio.to_thread(manage, "create_api_key", "customer0@example.com", "--rate-limit", "1000")
            leaver = Customer("leaver", site.stack.url, secret, Records(), site.seed)
            async with leaver.client:
                for _ in range(3):
                    leaver.ids.append(MISSING)
                    await leaver.look()
                await asyncio.to_thread(manage, "revoke_api_key", secret)
                await leaver.look()
            if (last := leaver.records.calls[-1]).status not in (0, 401) and last.status < 500:
                at = time.strftime("%T", time.localtime(last.start))
                weather.troubles.append(f"a revoked key opened something at {at}: {last.status} {last.words}")
        await asyncio.sleep(3)


def _move_in(site: Site, records: Records) -> tuple[list[Customer], Customer, Person]:
    *many, greedy = [
        Customer(name, site.stack.url, _account(site, name), records, site.seed)
        for name in [*(f"customer{number}" for number in range(CUSTOMERS)), "greedy"]
    ]
    with contextlib.closing(sign_up(site.stack, STUDIO)) as browser:
        site.stack.manage("grant_credits", STUDIO, str(CREDITS), "--reason", "chaos")
        site.stack.lift_limits(STUDIO)
        return many, greedy, Person(site.stack.url, browser.cookies, records, site.seed)


def _account(site: Site, name: str) -> str:
    """Register somebody with credits, and return their API key."""
    email = f"{name}@example.com"
    site.stack.manage("create_user", email, "--password", "correct horse battery")
    site.stack.manage("grant_credits", email, str(CREDITS), "--reason", "chaos")
    site.stack.lift_limits(email)
    return site.stack.manage("create_api_key", email, "--rate-limit", "100000")


def _judged(records: Records, weather: Weather) -> Iterator[str]:
    """Yield what clients saw that nothing broken explains."""
    for call in records.calls:
        seconds, status = call.end - call.start, call.status or "no answer"
        said = f"{call.what} “{call.prompt}” after {seconds:.1f} s: {status} {call.words}"
        if call.status and call.what in API and call.body is None:
            yield f"no JSON: {said}"
        elif not _is_explained(call, weather):
            at = time.strftime("%T", time.localtime(call.start))
            yield f"in good weather, {at}: {said}"
    by_key: dict[str, set[str]] = {}
    for call in records.calls:
        if call.key and call.status in (200, 202):
            by_key.setdefault(call.key, set()).add(call.image_id)
    for key, ids in by_key.items():
        if len(ids) > 1:
            yield f"one Idempotency-Key, {len(ids)} images: {key} {sorted(ids)}"


def _is_explained(call: Call, weather: Weather) -> bool:
    if 0 < call.status < 500 or (call.status == 502 and call.image_id):  # the second says that drawing failed
        return call.status not in (401, 402, 404, 409) or call.what not in API
    if any(fault.excuses(call) for fault in weather.faults):
        return True
    refusals = [fault for fault in weather.faults if "key_refused" in fault.name or "out_of_funds" in fault.name]
    return call.status == 503 and any(fault.touches(call.start, call.end, SPELL_SHADOW) for fault in refusals)


async def _epilogue(site: Site) -> list[str]:
    """See that the site takes new work again."""
    records = Records()
    secret = await asyncio.to_thread(
        site.stack.manage, "create_api_key", "customer0@example.com", "--rate-limit", "1000"
    )
    customer = Customer("epilogue", site.stack.url, secret, records, site.seed)
    end = time.monotonic() + SPELL_SHADOW
    async with customer.client:
        while time.monotonic() < end:
            call = await customer.asynchronous()
            if call.status == 202:
                return []
            await asyncio.sleep(1)
    return [f"takes no work any more: {call.status} {call.words}"]


def _audit(site: Site) -> dict[str, Any]:
    seconds = DEADLINE + SETTLE_SECONDS
    command = [sys.executable, "-m", "tests.chaos.audit", str(site.folder), str(seconds)]
    environment = {**site.direct, "DJANGO_SETTINGS_MODULE": "reveweb.settings"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds + 150, check=False
    )
    if done.returncode:
        return {"violations": [f"the audit failed: {done.stderr[-2000:]}"]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
