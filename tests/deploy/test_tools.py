"""What `deploy/` ships is right to those who read it: systemd, nginx, Caddy, hadolint, Compose, each where it is."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

DEPLOY = ROOT / "deploy"
WORST_EXPOSURE = 2.5  # by systemd's own count, of 10


def run(*command: str, **environment: str) -> str:
    """Run a tool and return what it said. Skips where it is missing, fails where it finds fault."""
    tool = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin")
    if tool is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, of an installation whose Python is there."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (tmp_path / "units").mkdir()
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / "units" / path.name).write_text(path.read_text().replace("/srv/reveweb", str(tmp_path)))
    return tmp_path / "units"


def test_systemd_reads_every_unit(units: Path) -> None:
    told = run("systemd-analyze", "verify", "--man=no", *map(str, sorted(units.iterdir())))
    assert [line for line in told.splitlines() if "reveweb" in line] == []


def test_systemd_finds_little_that_is_exposed(units: Path) -> None:
    for path in units.glob("*.service"):
        told = run("systemd-analyze", "security", "--offline=true", str(path))
        [exposure] = re.findall(r"Overall exposure level for .*: ([0-9.]+)", told)
        assert float(exposure) <= WORST_EXPOSURE, path.name


@pytest.mark.parametrize("web", ["", "web-1:8000 web-2:8000"])
def test_caddy_takes_its_file(web: str, tmp_path: Path) -> None:
    own = {"SITE_ADDRESS": "images.example.com", "HOME": str(tmp_path), **({"WEB": web} if web else {})}
    told = run("caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile"), **own)
    assert "Valid configuration" in told


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*made, "-subj", "/CN=images.example.com", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = (DEPLOY / "nginx.conf").read_text().replace("/etc/letsencrypt/live/images.example.com", str(tmp_path))
    server = re.sub(r"^\s*listen \[::\].*\n", "", server, flags=re.MULTILINE)  # not every machine knows IPv6
    server = re.sub(r"listen (443|80)\b", r"listen 127.0.0.1:1\1", server)
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{server}\n}}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    assert "test is successful" in run("nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))


def test_hadolint_finds_nothing() -> None:
    run("hadolint", str(DEPLOY / "Dockerfile"))


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("compose-spec", "deploy/compose.yaml"),
        ("github-workflows", ".github/workflows/ci.yml"),
        ("github-workflows", ".github/workflows/update.yml"),
        ("dependabot", ".github/dependabot.yml"),
    ],
)
def test_it_is_what_its_schema_allows(schema: str, name: str) -> None:
    run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(ROOT / name))
