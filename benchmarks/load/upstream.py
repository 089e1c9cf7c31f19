"""The upstream of a bench: `python -m benchmarks.load.upstream PORT PICTURE.png…`. It draws nothing, and costs little.

Speaks two protocols: the Reve API that reveweb asks, and `/v1/images/generations` of OpenAI that the gateways ask.
`POST /bench` sets what is to come and forgets what was: `seconds` until a job is completed (0: at once), up to `spread`
more, evenly; `hang`, seconds until a submit is answered; `picture`, the number of the file that every job gets.
`GET /bench` tells the counts, `GET /bench/jobs` every job with its times (seconds since 1970).
"""

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.http import Answer, Connection, answer, json_answer

SUBMIT = "/v1/reve-image/generate"
STATUS = "/v1/reve-image/status/"
OPENAI = "/v1/images/generations"


@dataclass
class Job:
    """What one submit became. Times are 0 until they come."""

    prompt: str
    submitted: float
    ready: float
    looks: int = 0
    noticed: float = 0.0  # the first look that was told so
    fetched: float = 0.0  # the picture was handed over


@dataclass
class Upstream:
    """The state of the one server."""

    port: int
    pictures: list[bytes]
    seconds: float = 0.0
    spread: float = 0.0
    hang: float = 0.0
    picture: int = 0
    jobs: list[Job] = field(default_factory=list)
    forgotten: int = 0  # how many of the first jobs are told of no more
    openai: int = 0
    hanging: int = 0

    def handle(self, method: str, target: str, body: bytes, send: Answer) -> None:
        """Answer one request."""
        if target == SUBMIT:
            if self.hang:
                self.hanging += 1
                asyncio.get_running_loop().call_later(self.hang, self._submit, body, send)
            else:
                self._submit(body, send)
        elif target.startswith(STATUS):
            send(self._status(int(target.removeprefix(f"{STATUS}job-"))))
        elif target.startswith("/pictures/"):
            number = int(target.removeprefix("/pictures/").removesuffix(".png"))
            self.jobs[number].fetched = self.jobs[number].fetched or time.time()
            send(answer(200, self.pictures[self.picture], "image/png"))
        elif target == OPENAI:
            self.openai += 1
            url = f"http://127.0.0.1:{self.port}/pictures/{self.openai}.png"
            send(json_answer({"created": int(time.time()), "data": [{"url": url}]}))
        elif target == "/bench":
            send(json_answer(self._tell() if method == "GET" else self._set(json.loads(body))))
        elif target == "/bench/jobs":
            send(json_answer([asdict(job) for job in self.jobs[self.forgotten :]]))
        else:
            send(json_answer({"error": {"message": "no such thing"}}, 404))

    def _submit(self, body: bytes, send: Answer) -> None:
        number, now = len(self.jobs), time.time()
        # Evenly and without chance: each prefix of the jobs is spread alike.
        extra = self.spread * ((number * 0.618034) % 1)
        self.jobs.append(Job(json.loads(body)["prompt"], now, now + self.seconds + extra))
        send(json_answer(self._described(number, now)))

    def _status(self, number: int) -> bytes:
        if number >= len(self.jobs):
            return json_answer({"error": {"message": "no such job"}}, 404)
        job, now = self.jobs[number], time.time()
        job.looks += 1
        return json_answer(self._described(number, now))

    def _described(self, number: int, now: float) -> dict[str, Any]:
        job = self.jobs[number]
        if job.ready > now:
            return {"id": f"job-{number}", "status": "pending"}
        job.noticed = job.noticed or now
        return {"id": f"job-{number}", "status": "completed", "url": f"/pictures/{number}.png"}

    def _tell(self) -> dict[str, Any]:
        jobs = self.jobs[self.forgotten :]
        counts = {"submits": len(jobs), "openai": self.openai, "hanging": self.hanging}
        return {**counts, "looks": sum(job.looks for job in jobs), "fetched": sum(job.fetched > 0 for job in jobs)}

    def _set(self, wanted: dict[str, float]) -> dict[str, Any]:
        self.seconds = wanted.get("seconds", 0.0)
        self.spread = wanted.get("spread", 0.0)
        self.hang = wanted.get("hang", 0.0)
        self.picture = int(wanted.get("picture", 0))
        self.forgotten, self.openai, self.hanging = len(self.jobs), 0, 0
        return {}


async def _serve(port: int, pictures: list[bytes]) -> None:
    upstream = Upstream(port, pictures)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Connection(upstream.handle), "127.0.0.1", port, backlog=4096)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


def main() -> None:
    """Serve until SIGTERM."""
    port, *paths = sys.argv[1:]
    asyncio.run(_serve(int(port), [Path(path).read_bytes() for path in paths]))


if __name__ == "__main__":
    main()
