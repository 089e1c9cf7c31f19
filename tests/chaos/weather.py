"""Faults at random: who is killed, stopped or cut off, for how long, and from when until when clients may notice."""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import httpx

from tests.chaos.load import Call
from tests.chaos.site import Process, Site
from tests.chaos.upstream import SPELLS

READY_WITHIN = 120.0  # seconds after a fault's end: on a busy machine a worker starts for most of a minute
GONE_WITHIN = 90.0  # seconds after a process was asked to end: it drains for one (`DRAIN_SECONDS`)
SPELL_SHADOW = 75.0  # for how long intake may stay closed after the upstream refused us: a trial comes every minute
LOSES_ANSWERS = {"web", "web-child"}  # whose loss may cost a client the connection
MAKES_ERRORS = {"database", "redis", "valkey"}  # and whose only an answer that says so
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "end": signal.SIGTERM}
SHADOW = 1.5  # for how long after everything is ready again a client may still see the end of a fault


@dataclass
class Fault:
    """One of them, in seconds of the wall clock. `end` comes when the site is ready again."""

    kinds: tuple[str, ...]
    start: float
    end: float = float("inf")

    @property
    def name(self) -> str:
        return " and ".join(self.kinds)

    def touches(self, start: float, end: float, shadow: float = SHADOW) -> bool:
        """Whether anything between `start` and `end` may be its doing."""
        return start <= self.end + shadow and end >= self.start

    def excuses(self, call: Call) -> bool:
        """Whether a call that failed may be its doing."""
        if not self.touches(call.start, call.end):
            return False
        whose = {kind.split()[1] for kind in self.kinds}
        return bool(whose & LOSES_ANSWERS) or (bool(call.status) and bool(whose & MAKES_ERRORS))


class Weather:
    """Breaks `site` until it is told to stop, one thing or two at a time, and lets it come to itself in between."""

    def __init__(self, site: Site, seed: int, say: Callable[[str], None], without: Sequence[str] = ()) -> None:
        self.site, self.say = site, say
        self.dice = random.Random(f"weather:{seed}")
        self.faults: list[Fault] = []
        self.troubles: list[str] = []
        self.is_broken = False
        self.kinds = [
            "end worker",
            "end rest",
            "end scheduler",
            "end web",
            "kill web",
            "kill web-child",
            "kill worker",
            "kill rest",
            "kill scheduler",
            "kill sandbox",
        ]
        self.kinds += ["stop web-child", "stop worker", "stop rest", "stop scheduler", "kill upstream", "stop upstream"]
        self.kinds += ["cut upstream", "stall upstream", *(f"spell {spell}" for spell in SPELLS)]
        if site.postgres:
            self.kinds += ["kill redis", "stop redis", "cut redis", "stall redis", "cut database", "stall database"]
        else:
            self.kinds += ["kill valkey", "stop valkey"]
        there = site.whole | {"redis", "upstream", "database"}
        self.kinds = [kind for kind in self.kinds if kind.split()[1] in there or kind.startswith("spell")]
        self.kinds = [kind for kind in self.kinds if kind not in without]
        self._coming: list[str] = []

    async def run(self, seconds: float) -> None:
        """Break things for about `seconds`."""
        end = time.monotonic() + seconds
        await asyncio.sleep(1.5)
        while time.monotonic() < end and not self.is_broken:
            chosen = {self._next(), self._next()} if self.dice.random() < 0.3 else {self._next()}
            await self._break(sorted(chosen))
            await asyncio.sleep(self.dice.uniform(0.5, 2.0))

    def _next(self) -> str:
        """Draw from a shuffled pack, so that a long storm has every kind."""
        if not self._coming:
            self._coming = self.dice.sample(self.kinds, len(self.kinds))
        return self._coming.pop()

    async def _break(self, chosen: list[str]) -> None:
        fault = Fault(tuple(chosen), time.time())
        self.faults.append(fault)
        mends = [await self._strike(*kind.split(" ", 1)) for kind in chosen]
        await asyncio.sleep(self.dice.uniform(0.5, 3.0))
        await asyncio.gather(
            *(asyncio.to_thread(mend) for mend in mends)
        )  # what is stopped cannot end before it goes on
        mended = time.time()
        await self._until_ready(fault)
        self.say(f"  {fault.name}: {mended - fault.start:.1f} s, ready {fault.end - mended:.1f} s later")

    async def _until_ready(self, fault: Fault) -> None:
        began, said = time.monotonic(), ""
        async with httpx.AsyncClient(base_url=self.site.stack.url, timeout=5, trust_env=False) as client:
            while time.monotonic() < began + READY_WITHIN:
                try:
                    answer = await client.get("/readyz")
                    said = f"{answer.status_code} {answer.text[:300]}"
                    if answer.status_code == 200 and await asyncio.to_thread(self._is_whole):
                        fault.end = time.time()
                        return
                except httpx.HTTPError as error:
                    said = repr(error)
                await asyncio.sleep(0.1)
        fault.end, self.is_broken = time.time(), True
        roles = {role: [one.pid for one in them] for role, them in self.site.roles().items()}
        self.troubles.append(f"not ready {READY_WITHIN:.0f} s after “{fault.name}”: {said}; running: {roles}")

    def _is_whole(self) -> bool:
        """Whether every process that there was at the start is there again."""
        return self.site.whole <= set(self.site.roles())

    async def _strike(self, how: str, whom: str) -> Callable[[], object]:
        """Do it, and return what ends it."""
        if how == "spell":
            path = self.site.folder / "upstream" / "spell"
            path.write_text(whom)
            return path.unlink
        if how in ("cut", "stall"):
            proxy, loop = self.site.proxies[whom], asyncio.get_running_loop()
            proxy.cut() if how == "cut" else proxy.stall()
            return lambda: loop.call_soon_threadsafe(proxy.mend)
        if whom in self.site.own:
            return self._strike_own(how, whom)
        processes = (await asyncio.to_thread(self.site.roles)).get(whom, [])
        if not processes:
            self.troubles.append(f"no process is {whom}")
        for process in processes:
            process.signal(SIGNALS[how])
        # After an end the supervisor sees to it. While the ended one still runs, nobody is missed and nobody is new.
        return partial(_continue if how == "stop" else self._until_gone, processes)

    def _until_gone(self, processes: list[Process]) -> None:
        end = time.monotonic() + GONE_WITHIN
        while left := [process for process in processes if process.lives]:
            if time.monotonic() > end:
                self.troubles += [f"still runs {GONE_WITHIN:.0f} s after its end: {one.command}" for one in left]
                return
            time.sleep(0.1)

    def _strike_own(self, how: str, whom: str) -> Callable[[], object]:
        process = self.site.own[whom]
        process.send_signal(SIGNALS[how])
        if how == "stop":
            return lambda: process.send_signal(signal.SIGCONT)
        process.wait()
        return lambda: self.site.raise_up(whom)


def _continue(processes: list[Process]) -> None:
    for process in processes:
        process.signal(signal.SIGCONT)
