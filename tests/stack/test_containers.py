"""What deploy/compose.yaml starts, started by hand: no container engine is needed, the same commands are processes.

The code is what the image would have, the environment is each service's own, hosts lead to servers of the test's, and
in front stands Caddy with the shipped file, but for its ports and who signs its certificate.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from reveweb.run.embedded import valkey_server
from tests import ROOT, bucket
from tests.deploy.test_files import DEPLOY, OF_SITE, dockerfile, in_image, seconds, services
from tests.environment import free_port, stop, wait_for_port
from tests.installation import KEPT, wait_until
from tests.stack.test_first_image import create_key
from tests.stack.test_from_nothing import PATIENCE, POSTGRES, SITE, Front, Mailbox, post

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not installed"),
]

DRAWING_SECONDS = 1.5
OPTIONS = """{{
	admin off
	local_certs
	skip_install_trust
	auto_https disable_redirects
	https_port {port}
	default_bind 127.0.0.1
"""


class Containers:
    """The services of compose.yaml as processes of this machine."""

    def __init__(self, folder: Path, storage: bucket.Bucket) -> None:
        self.folder = folder
        self.code = folder / "image"
        self.mailbox = Mailbox()
        self.storage = storage
        self.name = f"containers_{os.getpid()}"
        names = ("web-1", "web-2", "valkey", "upstream", "https")
        self.ports = {name: free_port() for name in names}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        # What somebody writes into deploy/.env.
        self.told = {
            **dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "env.example").read_text(), re.MULTILINE)),
            "SECRET_KEY": "a-secret-of-these-containers-which-is-long-enough",
            "REVE_API_KEY": "a-key",
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mailbox.server_address[1]}",
            "POSTGRES_PASSWORD": "of-the-database",
            "VALKEY_PASSWORD": "of-the-broker",
            "S3_ACCESS_KEY": "GK00",
            "S3_SECRET_KEY": "00",
        }

    def here(self, told: str) -> str:
        """Return a value as Compose fills it in, with servers of this machine for its hosts."""
        told = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: self.told[found[1]], told)
        hosts = {
            "reveweb:of-the-database@postgres:5432/reveweb": f"{self.name}:of-the-database@127.0.0.1:5432/{self.name}",
            "@valkey:6379": f"@127.0.0.1:{self.ports['valkey']}",
            "http://storage:3900": self.storage.url,
        }
        for name, address in hosts.items():
            told = told.replace(name, address)
        return told

    def environment(self, name: str) -> dict[str, str]:
        """Return what a container of a service has in its environment."""
        image = " ".join(told for kind, told in dockerfile() if kind == "ENV")
        of_image = dict(re.findall(r"\b(ENV_FILE|PYTHON\w+)=(\S*)", image))
        own = {key: self.here(value) for key, value in services()[name]["environment"].items()}
        here = {
            "PORT": str(self.ports.get(name, 8000)),
            "VAR_DIR": str(self.folder / "var" / name),
            "S3_BUCKET": bucket.NAME,
            "REVE_API_URL": f"http://127.0.0.1:{self.ports['upstream']}",
        }
        if "METRICS_PORT" in own:
            here |= {"METRICS_PORT": str(free_port()), "METRICS_HOST": "127.0.0.1"}
        kept = {key: os.environ[key] for key in KEPT if key in os.environ}
        return {**kept, **of_image, **self.told, **own, **here}

    def command(self, name: str) -> list[str]:
        _, *arguments = services()[name]["command"]
        return [sys.executable, *arguments]

    def start(self, name: str) -> None:
        """Start a service of ours as its container would."""
        shutil.copytree(self.folder / "static", self.folder / "var" / name / "static", dirs_exist_ok=True)
        self.spawn(name, self.command(name), self.code, self.environment(name))

    def start_valkey(self) -> None:
        """Start the broker as its image would, whose entry point ends as what it is given."""
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "docker-entrypoint.sh").write_text('#!/bin/sh\nexec "$@"\n')
        (programs / "docker-entrypoint.sh").chmod(0o755)
        (programs / "valkey-server").symlink_to(valkey_server())
        told = services()["valkey"]
        words = [self.here(word.replace("$$", "$")) for word in told["command"]]
        here = ["--port", str(self.ports["valkey"]), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        own = {key: self.here(value) for key, value in told["environment"].items()}
        self.spawn("valkey", [*words, *here], self.folder, {"PATH": f"{programs}:{os.environ['PATH']}", **own})

    def spawn(self, name: str, command: list[str], cwd: Path, environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)

    def end(self, name: str) -> float:
        """End a service as Compose does, and return how many seconds it took of its time of grace."""
        began = time.monotonic()
        process = self.running[name]
        process.terminate()
        process.wait(seconds(services()[name]["stop_grace_period"]))
        return time.monotonic() - began

    def run(self, name: str, *arguments: str) -> None:
        """Run a command to its end in a container of a service."""
        command = [sys.executable, *arguments] if arguments else self.command(name)
        done = subprocess.run(
            command, cwd=self.code, env=self.environment(name), capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def browser(self) -> httpx.Client:
        certificate = self.folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        transport = Front(self.ports["https"], certificate)
        referer = {"Referer": f"{SITE}/"}
        return httpx.Client(transport=transport, base_url=SITE, headers=referer, follow_redirects=True, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with socket.socket() as probe:
        if probe.connect_ex((POSTGRES["host"], POSTGRES["port"])):
            pytest.skip("PostgreSQL does not answer on its standard local port")
    with bucket.running() as storage:
        yield from containers(Containers(tmp_path_factory.mktemp("containers"), storage))


def containers(site: Containers) -> Iterator[Containers]:
    """Give them a database, and end all of them in the end."""
    with psycopg.connect(**POSTGRES, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE ROLE {site.name} LOGIN PASSWORD 'of-the-database'".encode())
        server.execute(f"CREATE DATABASE {site.name} OWNER {site.name}".encode())
    try:
        bring_up(site)
        yield site
    finally:
        for process in site.running.values():
            process.terminate()
        for process in site.running.values():
            stop(process, 10)
        site.mailbox.shutdown()
        site.mailbox.server_close()
        with psycopg.connect(**POSTGRES, dbname="postgres", autocommit=True) as server:
            server.execute(f"DROP DATABASE IF EXISTS {site.name} WITH (FORCE)".encode())
            server.execute(f"DROP ROLE IF EXISTS {site.name}".encode())


def bring_up(site: Containers) -> None:
    """Build the image's folder, and start all in the order that `depends_on` has."""
    files = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, files.stdout.decode().split("\0")):
        if in_image(name) and (ROOT / name).is_file():
            (site.code / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, site.code / name)
    collect = [
        sys.executable,
        "manage.py",
        "collectstatic",
        "--noinput",
        "-v0",
    ]  # as the Dockerfile does, with nothing set
    bare = {"PATH": os.environ["PATH"], "ENV_FILE": "", "VAR_DIR": str(site.folder / "built")}
    subprocess.run(collect, cwd=site.code, env=bare, check=True, timeout=PATIENCE)
    (site.folder / "built" / "static").rename(site.folder / "static")
    site.start_valkey()
    upstream = {"SANDBOX_PORT": str(site.ports["upstream"]), "SANDBOX_DIR": str(site.folder / "sandbox")}
    quick = {"SANDBOX_SECONDS": str(DRAWING_SECONDS), "SANDBOX_PICTURES": "plain"}
    site.spawn("upstream", [sys.executable, "-m", "sandbox"], ROOT, {**os.environ, **upstream, **quick})
    wait_for_port(site.ports["valkey"])
    site.run("migrate")
    for name in OF_SITE:
        site.start(name)
    for name in ("web-1", "web-2"):
        wait_until(partial(answers, site, name), PATIENCE)
    text = (DEPLOY / "Caddyfile").read_text()
    first = text.index("{\n")
    caddyfile = text[:first] + OPTIONS.format(port=site.ports["https"]) + text[first + 2 :]
    (site.folder / "Caddyfile").write_text(caddyfile)
    own = {"SITE_ADDRESS": site.told["SITE_ADDRESS"], "XDG_DATA_HOME": str(site.folder / "caddy")}
    web = {"WEB": " ".join(f"127.0.0.1:{site.ports[name]}" for name in ("web-1", "web-2"))}
    caddy = ["caddy", "run", "--adapter", "caddyfile", "--config", str(site.folder / "Caddyfile")]
    site.spawn("caddy", caddy, site.folder, {"PATH": os.environ["PATH"], "HOME": str(site.folder), **own, **web})
    wait_for_port(site.ports["https"])
    with site.browser() as browser:
        wait_until(partial(is_ready, browser), PATIENCE)


def is_ready(browser: httpx.Client) -> bool:
    """Ask through the proxy, which refuses to speak until it has made its certificate."""
    try:
        return browser.get("/readyz").status_code == 200
    except httpx.ConnectError:
        return False


def answers(site: Containers, name: str) -> bool:
    """Ask a web process as the image's health check does, whichever port it has here."""
    [check] = [told for kind, told in dockerfile() if kind == "HEALTHCHECK"]
    [words] = re.findall(r'"-c", "(.+)"\]', check)
    script = words.replace(":8000", f":{site.ports[name]}")
    return subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def ada(site: Containers) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """The browser of somebody who signed up through the proxy, and the header with their API key."""
    email, password = "ada@example.com", "correct horse battery"
    with site.browser() as browser:
        post(browser, "/accounts/signup/", email=email, password1=password)
        [link] = re.findall(
            rf"{SITE}(/accounts/confirm-email/[^\s\"<>]+)", wait_until(lambda: site.mailbox.to(email))[0]
        )[:1]
        page = browser.get(link)
        if "csrfmiddlewaretoken" in page.text and "confirm-email" in page.url.path:
            post(browser, page.url.path)
        if browser.get("/create/").url.path != "/create/":
            post(browser, "/accounts/login/", login=email, password=password)
        yield browser, {"Authorization": f"Bearer {create_key(browser, 'laptop')}"}


def draw(browser: httpx.Client, key: dict[str, str], **more: Any) -> httpx.Response:
    return browser.post("/v1/reve-image/generate", json={"prompt": "a quiet harbour", **more}, headers=key)


def test_a_sync_call_waits_for_its_image_through_tls(
    site: Containers, ada: tuple[httpx.Client, dict[str, str]]
) -> None:
    browser, key = ada
    began = time.monotonic()
    answer = draw(browser, key)
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - began >= DRAWING_SECONDS
    assert browser.get(answer.json()["url"]).headers["Content-Type"] == "image/png"
    assert [name for name in site.storage.objects if name.endswith(".png")]  # in the bucket, for all of them


def test_events_come_as_they_happen(ada: tuple[httpx.Client, dict[str, str]]) -> None:
    browser, key = ada
    image = draw(browser, key, **{"async": True}).json()["id"]
    heard = []
    began = time.monotonic()
    with browser.stream("GET", f"/v1/reve-image/{image}/events", headers=key) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event:"):
                heard.append((line, time.monotonic() - began))
            if "completed" in line:
                break
    assert heard[0][1] < heard[-1][1] - DRAWING_SECONDS / 3, heard  # the first at once, and not with the last


def test_one_web_process_is_replaced_without_a_failed_request(
    site: Containers, ada: tuple[httpx.Client, dict[str, str]]
) -> None:
    _, key = ada
    ended = threading.Event()

    def ask() -> list[int]:
        statuses = []
        with site.browser() as browser:
            while not ended.is_set():
                statuses.append(browser.get("/v1/account", headers=key).status_code)
                statuses.append(browser.get("/healthz").status_code)
                ended.wait(0.2)
        return statuses

    with ThreadPoolExecutor() as pool, site.browser() as browser:
        asking = [pool.submit(ask) for _ in range(2)]
        held = pool.submit(draw, browser, key)
        try:
            time.sleep(0.5)
            for name in ("web-1", "web-2"):
                assert site.end(name) < seconds(services()[name]["stop_grace_period"]) - 1
                site.start(name)
                wait_until(partial(answers, site, name), PATIENCE)
                time.sleep(2)  # until Caddy has asked it, which Compose's --wait does not know of
        finally:
            ended.set()
        statuses = [status for one in asking for status in one.result()]
        assert held.result().status_code in (200, 202)
    assert len(statuses) > 20
    assert set(statuses) == {200}


def test_metrics_are_not_public(ada: tuple[httpx.Client, dict[str, str]]) -> None:
    assert ada[0].get("/metrics").status_code == 404


def test_no_process_logged_an_error(site: Containers) -> None:
    for name in OF_SITE:
        text = (site.folder / f"{name}.log").read_text(errors="replace")
        assert "Traceback" not in text, text[-3000:]
