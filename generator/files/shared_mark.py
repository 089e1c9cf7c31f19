"""Finds out on several machines that they do not share storage: images would be made, charged and not be found.

Each worker keeps a small file, its mark, in each storage that it writes to, and says so on the Redis that all share.
Every process looks for the marks of the others: at its start and again and again, on a thread of its own, so that
nothing waits for a storage that hangs. What cannot be asked is not known, and nothing is said of it.

A mark has a new, random name, and is there before anybody hears of it: so no file system remembers that it was not.
"""

import logging
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from datetime import timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from kit import pulse

log = logging.getLogger(__name__)

FOLDER = "marks"  # longer than a folder of images, so that nobody takes it for one
STORED = {"default": "images", "private": "exports"}  # what each storage has
LOOK_SECONDS = 5.0
SOON_SECONDS = 1.0  # until a mark that was not seen is looked for again
HEARD_SECONDS = 30.0  # whoever was silent for longer has ended
SEEN_SECONDS = 600.0  # how long it counts that a mark was seen
REPEAT_SECONDS = 3600.0  # until what is wrong is logged again, and a mark is written anew
MISSES = 2  # in a row
OLD = timedelta(days=2)  # marks of whoever was killed
CURE = (
    "Give all machines one folder for VAR_DIR/images and one for VAR_DIR/private, or set the same S3_BUCKET on all of "
    "them: until then people pay for images that are not found."
)
_MARK, _MISSING = "mark", "unshared"  # what is said on Redis: "mark:TOKEN:WHO", "unshared:WHO:WHOSE"


class Watch:
    """One process's look at the others. `name` is as in "rest@machine-2"; one that `writes` keeps a mark itself."""

    def __init__(self, name: str, *, writes: bool) -> None:
        self.name = name
        self.missing: dict[str, set[str]] = {}  # whose marks are not to be seen, and which
        self._token = secrets.token_hex(12) if writes else ""
        self._written_at = float("-inf")
        self._logged_at = float("-inf")
        self._seen: dict[tuple[str, str], float] = {}
        self._missed: dict[tuple[str, str], int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shared-mark", daemon=True)

    def start(self) -> None:
        """Look from now on, on a thread of its own."""
        self._thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        """Take the mark away, as far as that can be done in a moment."""
        self._ended.set()
        self._thread.join(seconds)

    def step(self) -> None:
        """Keep the mark, and look for those of the others. Raises whatever Redis and the storage raise."""
        if self._token:
            if time.monotonic() - self._written_at > REPEAT_SECONDS:
                self._write()
            pulse.beat(f"{_MARK}:{self._token}:{self.name}")
        self._look(pulse.heard())
        for whose in self.missing:
            pulse.beat(f"{_MISSING}:{self.name}:{whose}")

    def remove(self) -> None:
        """Take the mark away."""
        if self._token:
            pulse.forget(f"{_MARK}:{self._token}:{self.name}")
            for alias in STORED:
                storages[alias].delete(_path(self._token))

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.step()
            except Exception as error:  # Redis or the storage is away, which others tell of
                log.debug("%s could not look at what the machines share: %r", self.name, error)
            self._tell()
            self._ended.wait(SOON_SECONDS if self._missed and not self.missing else LOOK_SECONDS)
        try:
            self.remove()
        except Exception as error:
            log.debug("The mark of %s is left for others to tidy: %r", self.name, error)

    def _write(self) -> None:
        words = f"{self.name} keeps this file so that other machines see whether they share its storage.\n"
        for alias in STORED:
            storages[alias].save(_path(self._token), ContentFile(words.encode()))
        self._written_at = time.monotonic()
        for alias in STORED:
            _tidy(alias)
        pulse.forget(*(name for name, ago in pulse.heard().items() if _is_ours(name) and ago > OLD.total_seconds()))

    def _look(self, heard: Mapping[str, float]) -> None:
        names = [name.split(":", 2) for name, ago in heard.items() if _is_ours(name) and ago < HEARD_SECONDS]
        others = {token: who for kind, token, who in names if kind == _MARK and token != self._token}
        missing: dict[str, set[str]] = {}
        for token, who in others.items():
            for alias in STORED:
                if not self._sees(token, alias):
                    missing.setdefault(who, set()).add(alias)
        self.missing = missing
        self._seen = {key: at for key, at in self._seen.items() if key[0] in others}
        self._missed = {key: count for key, count in self._missed.items() if key[0] in others}

    def _sees(self, token: str, alias: str) -> bool:
        """Tell whether a mark is there; one that was missed once is given another look."""
        key = (token, alias)
        if time.monotonic() - self._seen.get(key, float("-inf")) < SEEN_SECONDS:
            return True
        if storages[alias].exists(_path(token)):
            self._seen[key] = time.monotonic()
            self._missed.pop(key, None)
            return True
        self._missed[key] = self._missed.get(key, 0) + 1
        return self._missed[key] < MISSES

    def _tell(self) -> None:
        if not self.missing:
            if self._logged_at > 0:
                log.warning("What the other machines store is to be seen by %s again.", self.name)
            self._logged_at = float("-inf")
        elif time.monotonic() - self._logged_at > REPEAT_SECONDS:
            self._logged_at = time.monotonic()
            for whose, aliases in self.missing.items():
                what = " and ".join(STORED[alias] for alias in sorted(aliases))
                log.error("The %s that %s stores are not to be seen by %s. %s", what, whose, self.name, CURE)


_watch: Watch | None = None


def watch(name: str = "", *, writes: bool = False) -> None:
    """Watch in this process from now on."""
    global _watch
    if _watch is None:
        _watch = Watch(name or f"web@{socket.gethostname()}", writes=writes)
        _watch.start()


def stop() -> None:
    """Watch no longer."""
    global _watch
    if _watch is not None:
        _watch.stop()
        _watch = None


def unshared() -> bool:
    """Tell whether this process cannot see what some worker stores, as of the last look. Waits for nothing."""
    return _watch is not None and bool(_watch.missing)


def complaints(heard: Mapping[str, float]) -> list[str]:
    """Return who cannot see what whom stores, in words, out of what was `heard` (`kit.pulse`)."""
    names = [name.split(":", 2) for name, ago in heard.items() if _is_ours(name) and ago < HEARD_SECONDS]
    return sorted(f"{who} does not see what {whose} stores" for kind, who, whose in names if kind == _MISSING)


def _is_ours(name: str) -> bool:
    return name.startswith((f"{_MARK}:", f"{_MISSING}:"))


def _path(token: str) -> str:
    return f"{FOLDER}/{token}.txt"


def _tidy(alias: str) -> None:
    """Remove the marks of those who were killed."""
    storage = storages[alias]
    _, names = storage.listdir(FOLDER)
    for path in (f"{FOLDER}/{name}" for name in names):
        if timezone.now() - storage.get_modified_time(path) > OLD:
            storage.delete(path)
