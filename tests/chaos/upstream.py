"""An upstream that answers, fails, repeats, hangs, drips, lies and comes late, and writes down what it was sent.

    python -m tests.chaos.upstream PORT FOLDER SEED

Every sending is a line of FOLDER/sent.jsonl before it is answered, so a killed one knows its jobs when it comes back:
{"prompt", "word", "id", "at"}, where `word` says what an honest caller may make of it: accepted, unclear, waits,
refused, or trouble. FOLDER/spell holds what it does to everybody for a while (`SPELLS`).
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.fates import Fate, fate_of, picture

SPELLS = ("key_refused", "out_of_funds", "busy", "errors", "silent")
HUGE = 3 * 1024 * 1024
DRIP_SECONDS = 1.0
SILENT_SECONDS = 60.0
LATE_SECONDS = 8.0
PAGE = b"<!doctype html><title>502</title><h1>Bad gateway</h1>"


@dataclass(frozen=True)
class Answer:
    """What goes onto the wire. `manner`: whole, drip or torn."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: str = ""
    manner: str = "whole"


def as_json(status: int, body: Any, headers: str = "") -> Answer:
    return Answer(status, json.dumps(body).encode(), headers=headers)


RETRY = "Retry-After: 1\r\n"
BUSY = as_json(429, {"error": "slow down"}, RETRY)
AWAY = as_json(503, {"error": "restarting"}, RETRY)
ERROR = as_json(500, {"error": {"message": "oops"}})
HTML = Answer(200, PAGE, "text/html")
LARGE = Answer(200, b'{"id": "' + b"x" * HUGE + b'"}')


@dataclass(frozen=True)
class Job:
    """One accepted prompt."""

    id: str
    prompt: str
    at: float
    fate: Fate


class Upstream:
    """The whole of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.jobs: dict[str, Job] = {}
        self.seen: Counter[str] = Counter()
        self.pauses: set[asyncio.Task[None]] = set()
        self.book = (folder / "sent.jsonl").open("a", buffering=1)
        for line in (folder / "sent.jsonl").read_text().splitlines():
            entry = json.loads(line)
            if entry["id"]:
                self._know(entry["id"], entry["prompt"], entry["at"])

    def _know(self, id: str, prompt: str, at: float) -> Job:
        job = self.jobs[id] = Job(id, prompt, at, fate_of(self.seed, prompt))
        return job

    def note(self, prompt: str, word: str, id: str = "") -> None:
        entry = {"prompt": prompt, "word": word, "id": id, "at": time.time()}
        self.book.write(json.dumps(entry) + "\n")
        self.book.flush()

    def accept(self, prompt: str, word: str = "accepted") -> Job:
        id = f"up-{os.getpid()}-{len(self.jobs)}"
        self.note(prompt, word, id)
        return self._know(id, prompt, time.time())

    def first(self, what: str, prompt: str, times: int = 1) -> bool:
        self.seen[what + prompt] += 1
        return self.seen[what + prompt] <= times

    @property
    def spell(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "spell").read_text()
        return ""

    # --- Sending

    async def submit(self, prompt: str) -> Answer | None:
        if spell := self.spell:
            return await self._spellbound(spell, prompt)
        how = fate_of(self.seed, prompt).submit
        if how in ("busy_once", "away_once") and self.first("submit", prompt):
            self.note(prompt, "waits")
            return BUSY if how == "busy_once" else AWAY
        if how == "refused":
            self.note(prompt, "refused")
            return as_json(422, {"error": {"message": "against our policy"}})
        if how in ("error", "silent", "taken_late"):
            self.note(prompt, "unclear")
            if how == "error":
                return ERROR
            await asyncio.sleep(LATE_SECONDS if how == "taken_late" else SILENT_SECONDS)
            if how == "taken_late":
                self._know(f"late-{len(self.jobs)}", prompt, time.time())
            return None
        return await self._accepted(how, prompt)

    async def _accepted(self, how: str, prompt: str) -> Answer | None:
        others = list(self.jobs.values())
        job = self.accept(prompt)
        pending = as_json(202, {"id": job.id, "status": "pending"})
        if how == "late":
            await asyncio.sleep(2.5)
        elif how == "silent_taken":
            await asyncio.sleep(SILENT_SECONDS)
        elif how == "others_id" and others:
            return as_json(202, {"id": others[len(others) // 2].id, "status": "pending"})
        elif how == "odd_id":
            return as_json(202, {"id": [None, ["a"], {"a": 1}, "a\x00b", ""][len(others) % 5], "status": "pending"})
        elif how == "at_once":
            return as_json(200, {"id": job.id, "status": "completed", "url": f"/cdn/{job.id}", "metadata": {}})
        return {
            "silent_taken": None,
            "error_taken": ERROR,
            "page": HTML,
            "huge": LARGE,
            "drip": Answer(202, pending.body, manner="drip"),
            "torn": Answer(202, pending.body, manner="torn"),
        }.get(how, pending)

    async def _spellbound(self, spell: str, prompt: str) -> Answer | None:
        if spell == "key_refused":
            self.note(prompt, "trouble")
            return as_json(401, {"error": "unauthorized"})
        if spell == "out_of_funds":
            self.note(prompt, "trouble")
            return as_json(402, {"error": "pay first"})
        if spell == "busy":
            self.note(prompt, "waits")
            return BUSY
        self.note(prompt, "unclear")
        if spell == "silent":
            await asyncio.sleep(SILENT_SECONDS)
            return None
        return ERROR

    # --- Looking

    async def look(self, id: str, host: str) -> Answer | None:
        if spell := self.spell:
            refusals = {"key_refused": (401, "unauthorized"), "out_of_funds": (402, "pay first")}
            if spell in refusals:
                status, words = refusals[spell]
                return as_json(status, {"error": words})
            if spell == "silent":
                await asyncio.sleep(SILENT_SECONDS)
                return None
            return BUSY if spell == "busy" else ERROR
        job = self.jobs.get(id)
        if job is None or job.fate.look == "unknown":
            return as_json(404, {"error": "not found"})
        how = job.fate.look
        if how.endswith("_once") and self.first("look", job.prompt):
            return await self._first_look(how)
        others = [one for one in self.jobs.values() if one.id != id]
        if how == "lies" and others and self.first("look", job.prompt, 2):
            return self._completed(others[-1])
        if how == "never" or time.time() < job.at + job.fate.seconds:
            return as_json(200, {"id": id, "status": "pending"})
        if how == "fails":
            return as_json(
                200, {"id": id, "status": "failed", "error": {"message": f"POST http://{host}/v1 by sk-evil: denied"}}
            )
        if how == "odd_url" and self.first("look", job.prompt, 2):
            return as_json(200, {"id": id, "status": "completed", "url": {"href": ["a\x00"]}})
        return self._completed(job)

    def _completed(self, job: Job) -> Answer:
        done = {"id": job.id, "status": "completed", "url": f"/cdn/{job.id}", "metadata": {"model": "evil-1"}}
        return as_json(200, done)

    async def _first_look(self, how: str) -> Answer | None:
        if how == "silent_once":
            await asyncio.sleep(SILENT_SECONDS)
        return {
            "unknown_once": as_json(404, {"error": "not found"}),
            "error_once": ERROR,
            "page_once": HTML,
            "huge_once": LARGE,
            "silent_once": None,
            "drip_once": Answer(200, b'{"status": "pending"}' + b" " * 100, manner="drip"),
            "busy_once": BUSY,
        }[how]

    # --- Images

    def image(self, id: str) -> Answer:
        job = self.jobs.get(id)
        if job is None:
            return as_json(404, {"error": "not found"})
        how = job.fate.image
        if how in ("busy_twice", "away_once", "torn_once") and self.first(
            "image", job.prompt, 2 if how == "busy_twice" else 1
        ):
            return {"busy_twice": BUSY, "away_once": AWAY}.get(how) or Answer(
                200, picture(job.prompt), "image/png", manner="torn"
            )
        odd = {
            "jpeg": lambda: Answer(200, picture(job.prompt, "JPEG"), "image/jpeg"),
            "webp": lambda: Answer(200, picture(job.prompt, "WEBP"), "image/webp"),
            "mislabelled": lambda: Answer(200, picture(job.prompt), "image/jpeg"),
            "missing": lambda: as_json(404, {"error": "not found"}),
            "page": lambda: HTML,
            "gif": lambda: Answer(200, picture(job.prompt, "GIF"), "image/gif"),
            "cut_short": lambda: Answer(200, picture(job.prompt)[:300], "image/png"),
            "huge": lambda: Answer(200, b"\x89PNG" + b"\0" * HUGE, "image/png"),
            "drip": lambda: Answer(200, picture(job.prompt), "image/png", manner="drip"),
        }  # fmt: skip
        make: Callable[[], Answer] = odd.get(how, lambda: Answer(200, picture(job.prompt), "image/png"))
        return make()

    # --- The wire

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it ends."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = await self.answer(method, path, headers.get("host", ""), body)
                if answer is None or not await _send(writer, answer):
                    break
        writer.close()

    async def answer(self, method: str, path: str, host: str, body: bytes) -> Answer | None:
        """Return what a request gets; None for silence."""
        if method == "POST":
            return await self.submit(json.loads(body)["prompt"])
        last = path.rstrip("/").rpartition("/")[2]
        if path.startswith("/cdn/"):
            return self.image(last)
        return await self.look(last, host)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Write an answer and tell whether the connection goes on."""
    head = f"HTTP/1.1 {answer.status} Said\r\nContent-Type: {answer.kind}\r\n{answer.headers}"
    writer.write(f"{head}Content-Length: {len(answer.body)}\r\n\r\n".encode())
    if answer.manner == "torn":
        writer.write(answer.body[: len(answer.body) // 2])
        await writer.drain()
        return False
    if answer.manner == "drip":
        for byte in answer.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)
        return True
    writer.write(answer.body)
    await writer.drain()
    return True


async def main(port: int, folder: Path, seed: int) -> None:
    """Serve until the process is ended."""
    upstream = Upstream(folder, seed)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1024, limit=2**20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
