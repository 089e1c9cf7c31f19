"""A production site, brought up by what docs/operating.md says and by nothing else: its own blocks are run, in order.

What a test cannot have is stood in for: `sudo` and `systemctl` by a script, the Reve API by the sandbox, the mail
server by one of the test's own, and names of the machine by those in `Site.names`, all of which the document must have.
"""

import contextlib
import os
import re
import shlex
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from reveweb.run.embedded import valkey_server
from tests import ROOT
from tests.environment import free_port, stop, wait_for_port
from tests.installation import KEPT, wait_until
from tests.stack.test_first_image import create_key, form_token

pytestmark = pytest.mark.stack

HOST = "images.example.com"
SITE = f"https://{HOST}"
OPERATOR, PASSWORD = "you@example.com", "a-password-of-yours"
POSTGRES: dict[str, Any] = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
SUDO = """#!/bin/sh
# The test is who it has to be already; PostgreSQL is asked to take it for its superuser.
while [ "${1#-}" != "$1" ]; do
    if [ "$2" = postgres ]; then export PGHOST=127.0.0.1 PGUSER=postgres; fi
    shift 2
done
exec "$@"
"""
SYSTEMCTL = '#!/bin/sh\nif [ "$1" = enable ]; then shift 2; printf "%s\\n" "$@" > "$UNITS/enabled"; fi\n'
NGINX = "daemon off; pid nginx.pid; error_log stderr; user root; events {{}}\nhttp {{ access_log off;\n{}\n}}\n"


def blocks(language: str) -> list[str]:
    """Return the blocks in that language of the section that leads from nothing to a public site."""
    text = (ROOT / "docs" / "operating.md").read_text()
    [section] = re.findall(r"^## From nothing to a public site\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Postman)
        self.mails: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def to(self, address: str) -> list[str]:
        return [mail for mail in list(self.mails) if f"To: {address}" in mail]


class Postman(socketserver.StreamRequestHandler):
    """Says yes to everything, as RFC 5321 has it."""

    server: Mailbox

    def handle(self) -> None:
        self.say("220 here")
        for line in self.rfile:
            match line.strip().upper().split(b" ")[0]:
                case b"DATA":
                    self.say("354 go on")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    self.server.mails.append(b"".join(lines).decode().replace("=\r\n", "").replace("=3D", "="))
                    self.say("250 kept")
                case b"QUIT":
                    return self.say("221 bye")
                case _:
                    self.say("250 yes")
        return None

    def say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


class Front(httpx.BaseTransport):
    """The way to the site: through nginx where that is installed, else with the headers that it would send."""

    def __init__(self, port: int, certificate: Path | None) -> None:
        self._port = port
        self._is_nginx = certificate is not None
        self._inner = httpx.HTTPTransport(verify=ssl.create_default_context(cafile=certificate))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == HOST, f"the site leads to {request.url}"
        headers = request.headers.copy()
        if not self._is_nginx:
            headers.update({"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"})
        scheme = "https" if self._is_nginx else "http"
        url = request.url.copy_with(scheme=scheme, host="127.0.0.1", port=self._port)
        extensions = {**request.extensions, "sni_hostname": HOST}
        on = httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)
        return self._inner.handle_request(on)

    def close(self) -> None:
        self._inner.close()


@dataclass
class Site:
    """What the document makes, below a folder of the test's."""

    folder: Path
    mailbox: Mailbox
    role: str
    ports: dict[str, int] = field(
        default_factory=lambda: {n: free_port() for n in ("web", "redis", "upstream", "https")}
    )
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    certificate: Path | None = None

    @property
    def home(self) -> Path:
        return self.folder / "srv" / "reveweb"

    @property
    def names(self) -> dict[str, str]:
        """What stands in the document, and what stands for it here."""
        return {
            "/srv/reveweb": str(self.home),
            "/srv/backups": str(self.folder / "backups"),
            "/etc/systemd/system": str(self.folder / "units"),
            " -o reveweb": "",
            "ROLE reveweb": f"ROLE {self.role}",
            "--owner reveweb reveweb": f"--owner {self.role} {self.role}",
            "postgres://reveweb:a-password-of-its-own@localhost:5432/reveweb": (
                f"postgres://{self.role}:a-password-of-its-own@127.0.0.1:5432/{self.role}"
            ),
            "redis://localhost:6379/0": f"redis://127.0.0.1:{self.ports['redis']}/0",
            "smtp+tls://user:password@smtp.example.com:587": f"smtp://127.0.0.1:{self.mailbox.server_address[1]}",
            "http://localhost:8000": f"http://localhost:{self.ports['web']}",
        }

    @property
    def environment(self) -> dict[str, str]:
        """What a shell of the operator's has: only what stands for the machine, and where the stand-ins are."""
        inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
        path = f"{self.folder / 'bin'}:{inherited['PATH']}"
        upstream = f"http://127.0.0.1:{self.ports['upstream']}"
        own = {"PORT": str(self.ports["web"]), "REVE_API_URL": upstream, "UNITS": str(self.folder / "units")}
        return {**inherited, "PATH": path, **own}

    def run(self, script: str) -> str:
        """Run a block of the document and return what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name: str, command: list[str], cwd: Path, **more: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            environment = {**self.environment, **more}
            self.processes.append(subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log))

    def start_unit(self, name: str, **more: str) -> None:
        """Start a service as systemd would."""
        unit = (self.folder / "units" / f"{name}.service").read_text()
        told = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
        assert told["Restart"] == "always"
        self.start(f"{name}{len(more) or ''}", shlex.split(told["ExecStart"]), Path(told["WorkingDirectory"]), **more)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def browser(self) -> httpx.Client:
        """Return somebody's browser in front of the site."""
        port = self.ports["https" if self.certificate else "web"]
        transport = Front(port, self.certificate)
        referer = {"Referer": f"{SITE}/"}  # without which no form is taken over https
        return httpx.Client(transport=transport, base_url=SITE, headers=referer, follow_redirects=True, timeout=60)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A machine with PostgreSQL, Redis, a mail server, the Reve API far away, and the code at its place."""
    with socket.socket() as probe:
        if probe.connect_ex((POSTGRES["host"], POSTGRES["port"])):
            pytest.skip("PostgreSQL does not answer on its standard local port")
    folder = tmp_path_factory.mktemp("machine")
    site = Site(folder, Mailbox(), f"operator_site_{os.getpid()}")
    for name in ("bin", "units", "srv"):
        (folder / name).mkdir()
    for name, script in {"sudo": SUDO, "systemctl": SYSTEMCTL}.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    place_code(site.home)
    redis = ["--port", str(site.ports["redis"]), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    site.start("redis", [str(valkey_server()), *redis], folder)
    upstream = {"SANDBOX_PORT": str(site.ports["upstream"]), "SANDBOX_DIR": str(folder / "sandbox")}
    quick = {"SANDBOX_SECONDS": "0.2", "SANDBOX_PICTURES": "plain"}
    site.start("upstream", [sys.executable, "-m", "sandbox"], ROOT, **upstream, **quick)
    try:
        yield site
    finally:
        for process in site.processes:  # all at once: how they end is not the point
            process.terminate()
        for process in site.processes:
            stop(process, 5)
        site.mailbox.shutdown()
        site.mailbox.server_close()
        with psycopg.connect(**POSTGRES, dbname="postgres", autocommit=True) as server:
            server.execute(f"DROP DATABASE IF EXISTS {site.role} WITH (FORCE)".encode())
            server.execute(f"DROP ROLE IF EXISTS {site.role}".encode())


def place_code(home: Path) -> None:
    """Put a clone there, as it is being worked on, with the packages that are installed."""
    files = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, files.stdout.decode().split("\0")):
        if not name.startswith(("tests/", "benchmarks/", "docs/")) and (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, home / name)
    (home / ".venv").symlink_to(sys.prefix)


@pytest.fixture(scope="module")
def site(machine: Site) -> Site:
    """The site once every block was run."""
    scripts = blocks("sh")
    text = "".join(scripts)
    assert [name for name in machine.names if name not in text] == []
    for script in scripts[:-2]:  # the last two, a look and a backup, are for when all of it runs
        for name, here in machine.names.items():
            script = script.replace(name, here)
        machine.run(script)
    assert (machine.home / ".env").stat().st_mode & 0o777 == 0o600
    enabled = (machine.folder / "units" / "enabled").read_text().split()
    assert enabled == ["reveweb-web", "reveweb-worker", "reveweb-rest", "reveweb-scheduler"]
    for name in enabled:
        machine.start_unit(name)
    start_nginx(machine)
    [ready] = [script for script in scripts if "/readyz" in script]
    ready = ready.replace("http://localhost:8000", machine.names["http://localhost:8000"])

    def is_ready() -> bool:
        with contextlib.suppress(AssertionError):
            return '"status": "ok"' in machine.run(ready)
        return False

    wait_until(is_ready, 90)
    return machine


def start_nginx(machine: Site) -> None:
    """Start nginx by the document's block, where it is installed."""
    if shutil.which("nginx") is None:
        return
    folder = machine.folder / "nginx"
    folder.mkdir()
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2"]
    output = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *named, *output], check=True, capture_output=True)
    [server] = blocks("nginx")
    names = {
        f"/etc/letsencrypt/live/{HOST}": str(folder),
        "listen 443 ssl": f"listen 127.0.0.1:{machine.ports['https']} ssl",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{machine.ports['web']}",
    }
    for name, here in names.items():
        assert name in server
        server = server.replace(name, here)
    (folder / "nginx.conf").write_text(NGINX.format(server))
    machine.start("nginx", ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], folder)
    wait_for_port(machine.ports["https"])
    machine.certificate = certificate


def post(browser: httpx.Client, path: str, **data: str) -> httpx.Response:
    """Fill in the form that is at `path`."""
    token = form_token(browser.get(path).text)
    return browser.post(path, data={**data, "csrfmiddlewaretoken": token})


def test_the_operator_logs_in_and_sees_every_process_at_work(site: Site) -> None:
    with site.browser() as browser:
        post(browser, "/accounts/login/", login=OPERATOR, password=PASSWORD)
        page = browser.get("/admin/")
        assert (page.url.path, page.status_code) == ("/admin/", 200)
        wait_until(lambda: "never heard" not in browser.get("/admin/").text, 60)
        assert all(cookie.secure for cookie in browser.cookies.jar)


def test_somebody_signs_up_by_mail_and_makes_an_image(site: Site) -> None:
    email, password = "ada@example.com", "correct horse battery"
    with site.browser() as browser:
        post(browser, "/accounts/signup/", email=email, password1=password)
        assert browser.get("/create/").url.path.startswith("/accounts/")  # not before the address is confirmed
        mail = wait_until(lambda: site.mailbox.to(email))[0]
        assert "From: Images <hello@example.com>" in mail
        link = re.search(rf"{SITE}(/accounts/confirm-email/[^\s\"<>]+)", mail)
        assert link, mail
        page = browser.get(link[1])
        if "csrfmiddlewaretoken" in page.text and "confirm-email" in page.url.path:
            post(browser, page.url.path)
        if browser.get("/create/").url.path != "/create/":
            post(browser, "/accounts/login/", login=email, password=password)
        secret = create_key(browser, "laptop")
        headers = {"Authorization": f"Bearer {secret}"}
        answer = browser.post("/v1/reve-image/generate", json={"prompt": "a quiet harbour"}, headers=headers)
        assert answer.status_code == 200
        url = answer.json()["url"]
        assert url.startswith(f"{SITE}/images/")
        assert browser.get(url).headers["Content-Type"] == "image/png"


def test_the_first_backup_has_it(site: Site) -> None:
    [script] = [script for script in blocks("sh") if "manage.py backup" in script]
    for name, here in site.names.items():
        script = script.replace(name, here)
    site.run(script)
    [backup] = (site.folder / "backups").iterdir()
    with tarfile.open(backup) as tar:
        names = tar.getnames()
    assert "database.dump" in names
    assert [name for name in names if name.endswith(".png")]


def test_a_second_machine_without_the_images_is_found_out(site: Site, tmp_path: Path) -> None:
    """Its web process has the same database and Redis, and a folder of its own."""
    port = free_port()
    site.start_unit("reveweb-web", VAR_DIR=str(tmp_path), PORT=str(port))
    wait_until(lambda: "are not to be seen by web@" in site.log("reveweb-web2"), 60)
    assert "S3_BUCKET" in site.log("reveweb-web2")
    assert httpx.get(f"http://localhost:{port}/healthz").status_code == 200  # it goes on
    assert "are not to be seen" not in site.log("reveweb-web")
    with site.browser() as browser:
        post(browser, "/accounts/login/", login=OPERATOR, password=PASSWORD)
        assert "does not see what work@" in browser.get("/admin/").text  # of either web process


def test_what_the_processes_are_called_is_what_the_table_says() -> None:
    """Who starts them by other means reads the commands there."""
    text = (ROOT / "docs" / "operating.md").read_text()
    for command in re.findall(r'"\w+ ((?:serve|work|schedule)[ a-z-]*)"', "".join(blocks("sh"))):
        assert re.search(rf"^\| .*\.venv/bin/python manage\.py {command}` \|", text, re.MULTILINE), command
