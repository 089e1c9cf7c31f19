"""Images drawn in worker threads and cached on disk.

Drawing is deterministic, so the cache is keyed by what is drawn, and a pruned image is simply drawn again.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.sources import Sources, sized
from sandbox.store import Job

KEEP_IMAGES = 300
_THREADS = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from <malloc.h>


class Gallery:
    """Draws each job's PNG once, or a plain sheet. All methods belong to the event loop's thread."""

    def __init__(self, directory: Path, *, plain: bool = False) -> None:
        self._directory = directory / ("plain" if plain else "images")
        self._plain = plain
        self._directory.mkdir(parents=True, exist_ok=True)
        self.sources = Sources(directory)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="painter")
        self._drawing: dict[str, asyncio.Task[bytes]] = {}
        self._trim = _heap_trimmer()

    def close(self) -> None:
        """Drop the drawings that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def ready(self, job: Job) -> bool:
        """Say whether the image can be served at once; when it can't, start drawing it."""
        if self._path(job).exists():
            return True
        self.start(job)
        return False

    def start(self, job: Job) -> asyncio.Task[bytes]:
        """Draw the job's image in the background, or join whoever is already drawing the same one."""
        key = self._path(job).name
        task = self._drawing.get(key)
        if task is None:
            task = self._drawing[key] = asyncio.create_task(self._draw(job))
            task.add_done_callback(lambda _: self._drawing.pop(key, None))
        return task

    async def png(self, job: Job) -> bytes:
        """Return the image's bytes, from the cache or freshly drawn."""
        # Shielded: one client that hangs up must not cancel the drawing others wait for.
        return await asyncio.shield(self.start(job))

    async def _draw(self, job: Job) -> bytes:
        loop = asyncio.get_running_loop()
        path = self._path(job)
        image = await loop.run_in_executor(
            self._threads, lambda: _cached_or_drawn(path, job, self._plain, self.sources)
        )
        if len(self._drawing) <= 1:
            loop.run_in_executor(self._threads, self._tidy)
        return image

    def _path(self, job: Job) -> Path:
        subject = "\0".join((job.aspect_ratio, job.negative_prompt, job.prompt, str(job.variation)))
        if job.size or job.source:
            subject = "\0".join((subject, job.size, job.source))
        return self._directory / f"{hashlib.sha256(subject.encode()).hexdigest()}.png"

    def _tidy(self) -> None:
        prune(self._directory, keep=KEEP_IMAGES)
        prune(self.sources.directory, keep=KEEP_IMAGES)
        self._trim()


def prune(directory: Path, *, keep: int) -> None:
    """Delete the oldest images beyond the newest `keep`."""
    with os.scandir(directory) as entries:
        by_age = sorted((entry.stat().st_mtime, entry.path) for entry in entries if entry.name.endswith(".png"))
    for _, path in by_age[: max(0, len(by_age) - keep)]:
        Path(path).unlink(missing_ok=True)


def _cached_or_drawn(path: Path, job: Job, plain: bool, sources: Sources) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    if plain:
        from sandbox.plain import png
    else:
        from sandbox.painter import png  # numpy and Pillow cost 25 MB: only a process that draws pays for them

    image = png(job.prompt, job.aspect_ratio, job.negative_prompt, job.variation)
    if job.source:
        image = sources.drawn_over(job.source, image)
    if job.size:
        image = sized(image, job.size)
    # Renamed into place, so that a killed process leaves no half image behind.
    half = path.with_suffix(f".{os.getpid()}.half")
    half.write_bytes(image)
    half.replace(path)
    return image


def _heap_trimmer() -> Callable[[], object]:
    """Tune glibc's heap for drawing and return the call that gives its free pages back.

    Left alone, each large array is mapped afresh (drawing takes twice as long) and each thread keeps a heap as large
    as its busiest moment.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    try:
        libc = ctypes.CDLL(None)
        for option, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 256 << 20), (_M_ARENA_MAX, 1)):
            libc.mallopt(option, value)
        trim = libc.malloc_trim
    except AttributeError:  # musl has neither
        return lambda: None
    return lambda: trim(0)
