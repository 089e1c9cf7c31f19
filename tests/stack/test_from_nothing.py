"""A production site, brought up by what docs/deployment.md says and by nothing else: its own blocks are run, in order.

What a test cannot have is stood in for: `sudo` by a script, systemd by `systemctl.py`, the Reve API and Stripe by the
sandbox, the mail server by one of the test's own, and names of the machine by those in `Site.names`, all of which the
document must have. Each block is run here or stands in `NOT_HERE` with the reason.
"""

import contextlib
import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

HOST = "images.example.com"
SITE = f"https://{HOST}"
NOT_HERE = {
    "sudo apt install git": "the machine of a test has its programs, and no user is made on it",
    "git clone": "the code is put there as it is being worked on, with the packages that are installed",
    "certbot certonly": "no authority certifies a name that is not ours; the test makes a certificate",
    "apt install caddy": "it would take nginx's place; tests/stack/test_containers.py serves through the same file",
    "dig +short": "the domain belongs to nobody",
    "git pull --ff-only\nsudo -u": "there is no newer version to fetch",
    "journalctl": "no systemd runs here",
    "docker compose up -d --build": "no container engine runs here; tests/stack/test_containers.py starts the same",
    "docker compose build": "the same",
    "docker build -f": "no cluster runs here; tests/deploy/test_chart.py has Helm and Kubernetes read the chart",
}
OPERATOR, PASSWORD = "you@example.com", "a-password-of-yours"
STRIPE_KEY = "sk_test_of_this_site"  # the sandbox refuses live keys
PATIENCE = 300  # seconds that a block may take: every migration, where all tests run at once
POSTGRES: dict[str, Any] = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
SUDO = """#!/bin/sh
# The test is who it has to be already; PostgreSQL is asked to take it for its superuser.
while [ "${1#-}" != "$1" ]; do
    if [ "$2" = postgres ]; then export PGHOST=127.0.0.1 PGUSER=postgres; fi
    shift 2
done
exec "$@"
"""
REDIS_CLI = """#!{python}
import os, sys, redis
server = redis.Redis(port={port}, password=os.environ.get("REDISCLI_AUTH"), decode_responses=True)
print(server.execute_command(*sys.argv[1:]))
"""
NGINX = """worker_processes 1;
pid nginx.pid;
error_log error.log;
events {
	worker_connections 768;
}
http {
    access_log off;
    include conf.d/*.conf;
}
"""
# What each block is known by that is run here: those that make the site, and those that a test runs in its turn.
FIRST = (
    "CREATE ROLE",
    "maxmemory-policy",
    "REVE_API_KEY=your-key",
    "create_user you@example.com --staff --password 'a-password-of-yours'\n",
    "enable --now reveweb.target",
    "worker_connections 16384",
    "sudo nginx -t",
)
LATER = (
    "curl --silent --show-error http://localhost:8000/readyz",
    "sync_stripe",
    "manage.py doctor",
    "echo BACKUP_TO",
    "manage.py restore --check",
    "enable --now reveweb-web@8001",
    "for port in",
    "reveweb-before-",
    "collectstatic --noinput\nsudo cp",
    "SECRET_KEY_FALLBACKS=$new",
    "SECRET_KEY_FALLBACKS=$old",
    "--reseal",
    "whsec_the-new-one",
    "ALTER ROLE",
    "ACL SETUSER",
)


def blocks() -> list[str]:
    """Return what the document has to be typed, block by block."""
    text = (ROOT / "docs" / "deployment.md").read_text()
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(known_by: str) -> str:
    """Return the one block that has these words and can be run here."""
    [found] = [one for one in blocks() if known_by in one and not any(words in one for words in NOT_HERE)]
    return found


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
        default_factory=lambda: {n: free_port() for n in ("web", "web2", "redis", "upstream", "https")}
    )
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    certificate: Path | None = None
    secret: str = ""  # somebody's API key

    @property
    def home(self) -> Path:
        return self.folder / "srv" / "reveweb"

    @property
    def units(self) -> Path:
        return self.folder / "units"

    @property
    def names(self) -> dict[str, str]:
        """What stands in the document, and what stands for it here."""
        return {
            "/srv/reveweb": str(self.home),
            "/srv/backups": str(self.folder / "backups"),
            "/etc/systemd/system": str(self.units),
            "/etc/nginx/conf.d": str(self.folder / "nginx" / "conf.d"),
            "/etc/nginx/nginx.conf": str(self.folder / "nginx" / "nginx.conf"),
            " -o reveweb": "",
            "ROLE reveweb": f"ROLE {self.role}",
            "--owner reveweb reveweb_restored": f"--owner {self.role} {self.role}_restored",
            "--owner reveweb reveweb": f"--owner {self.role} {self.role}",
            "s|/reveweb$|/reveweb_restored|": f"s|/{self.role}$|/{self.role}_restored|",
            "postgres://reveweb:a-password-of-its-own@localhost:5432/reveweb": (
                f"postgres://{self.role}:a-password-of-its-own@127.0.0.1:5432/{self.role}"
            ),
            "redis://localhost:6379/0": f"redis://127.0.0.1:{self.ports['redis']}/0",
            "smtp+tls://user:password@smtp.example.com:587": f"smtp://127.0.0.1:{self.mailbox.server_address[1]}",
            "sk_live_your-key": STRIPE_KEY,
            "8000": str(self.ports["web"]),
            "8001": str(self.ports["web2"]),
        }

    def here(self, script: str) -> str:
        """Return a script of the document's with the names of this machine."""
        known = sorted(self.names, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, known)), lambda found: self.names[found[0]], script)

    @property
    def environment(self) -> dict[str, str]:
        """What a shell of the operator's has: only what stands for the machine, and where the stand-ins are."""
        inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
        path = f"{self.folder / 'bin'}:{inherited['PATH']}"
        upstream = f"http://127.0.0.1:{self.ports['upstream']}"
        own = {"PORT": str(self.ports["web"]), "REVE_API_URL": upstream, "STRIPE_API_BASE": upstream}
        return {**inherited, "PATH": path, **own, "UNITS": str(self.units)}

    def run(self, script: str, fine: tuple[int, ...] = (0,)) -> str:
        """Run a script and return what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode in fine, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def do(self, known_by: str, fine: tuple[int, ...] = (0,)) -> str:
        """Run the document's block that has these words, and return what it printed."""
        assert known_by in FIRST + LATER
        return self.run(self.here(block(known_by)), fine)

    def wait_until_ready(self) -> None:
        """Ask as the document does until an image could be made."""

        def is_ready() -> bool:
            with contextlib.suppress(AssertionError):
                return '"status": "ok"' in self.do(LATER[0])
            return False

        wait_until(is_ready, PATIENCE)

    def start(self, name: str, command: list[str], cwd: Path, **more: str) -> None:
        """Start what is not reveweb, or not on this machine."""
        with (self.units / f"{name}.log").open("wb") as log:
            environment = {**self.environment, **more}
            self.processes.append(subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log))

    def log(self, name: str) -> str:
        return (self.units / f"{name}.log").read_text(errors="replace")

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
    for name in ("bin", "units", "srv", "backups", "nginx/conf.d", "letsencrypt"):
        (folder / name).mkdir(parents=True)
    scripts = {
        "sudo": SUDO,
        "systemctl": f'#!/bin/sh\nexec {sys.executable} -P {Path(__file__).with_name("systemctl.py")} "$@"\n',
        "redis-cli": REDIS_CLI.format(python=sys.executable, port=site.ports["redis"]),
        "nginx": f'#!/bin/sh\nexec {shutil.which("nginx") or "true"} -p {folder}/nginx/ -c nginx.conf "$@"\n',
    }
    for name, script in scripts.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    place_code(site.home)
    prepare_nginx(site)
    redis = {"port": site.ports["redis"], "bind": "127.0.0.1", "save": '""', "dir": folder}
    (folder / "redis.conf").write_text("".join(f"{key} {value}\n" for key, value in redis.items()))
    site.start("redis", [str(valkey_server()), str(folder / "redis.conf")], folder)
    upstream = {"SANDBOX_PORT": str(site.ports["upstream"]), "SANDBOX_DIR": str(folder / "sandbox")}
    quick = {"SANDBOX_SECONDS": "0.2", "SANDBOX_PICTURES": "plain", "SANDBOX_STRIPE_KEY": STRIPE_KEY}
    site.start("upstream", [sys.executable, "-m", "sandbox"], ROOT, **upstream, **quick)
    wait_for_port(site.ports["redis"])
    try:
        yield site
    finally:
        site.run("systemctl stop reveweb.target; nginx -s stop", fine=(0, 1, 2))
        for process in site.processes:  # all at once: how they end is not the point
            process.terminate()
        for process in site.processes:
            stop(process, 5)
        site.mailbox.shutdown()
        site.mailbox.server_close()
        with psycopg.connect(**POSTGRES, dbname="postgres", autocommit=True) as server:
            for name in (site.role, f"{site.role}_restored"):
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            server.execute(f"DROP ROLE IF EXISTS {site.role}".encode())


def place_code(home: Path) -> None:
    """Put a clone there, as it is being worked on, with the packages that are installed."""
    files = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, files.stdout.decode().split("\0")):
        if not name.startswith(("tests/", "benchmarks/", "docs/")) and (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, home / name)
    (home / ".venv").symlink_to(sys.prefix)
    for unit in (home / "deploy" / "systemd").iterdir():
        unit.write_text(unit.read_text().replace("/srv/reveweb", str(home)))


def prepare_nginx(machine: Site) -> None:
    """Make a certificate, and have the file that is copied listen where a test may; where nginx is installed."""
    (machine.folder / "nginx" / "nginx.conf").write_text(NGINX)
    if shutil.which("nginx") is None:
        return
    folder = machine.folder / "letsencrypt"
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2"]
    output = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *named, *output], check=True, capture_output=True)
    shipped = machine.home / "deploy" / "nginx.conf"
    server = shipped.read_text()
    names = {
        f"/etc/letsencrypt/live/{HOST}": str(folder),
        "listen 443 ssl": f"listen 127.0.0.1:{machine.ports['https']} ssl",
        "listen [::]:443 ssl http2;": "",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen [::]:80;": "",
        "127.0.0.1:8000": f"127.0.0.1:{machine.ports['web']}",
        "127.0.0.1:8001": f"127.0.0.1:{machine.ports['web2']}",
    }
    for name, here in names.items():
        assert name in server
        server = server.replace(name, here)
    shipped.write_text(server)
    machine.certificate = certificate


@pytest.fixture(scope="module")
def site(machine: Site) -> Site:
    """The site once every block was run that makes it."""
    text = "".join(blocks())
    assert [name for name in machine.names if name not in text] == []
    for known_by in FIRST:
        machine.do(known_by)
    assert (machine.home / ".env").stat().st_mode & 0o777 == 0o600
    machine.wait_until_ready()
    return machine


def post(browser: httpx.Client, path: str, **data: str) -> httpx.Response:
    """Fill in the form that is at `path`."""
    token = form_token(browser.get(path).text)
    return browser.post(path, data={**data, "csrfmiddlewaretoken": token})


@pytest.fixture(scope="module")
def ada(site: Site) -> Iterator[httpx.Client]:
    """The browser of somebody who signed up by mail, and has an API key."""
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
        site.secret = create_key(browser, "laptop")
        yield browser


def is_logged_in(browser: httpx.Client) -> bool:
    return browser.get("/create/").url.path == "/create/"


def draw(site: Site, browser: httpx.Client) -> str:
    """Have an image made, and return its address."""
    headers = {"Authorization": f"Bearer {site.secret}"}
    answer = browser.post("/v1/reve-image/generate", json={"prompt": "a quiet harbour"}, headers=headers)
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["url"]
    assert url.startswith(f"{SITE}/images/")
    return url


def test_each_block_is_run_here_or_named_with_the_reason() -> None:
    known = [*FIRST, *LATER, *NOT_HERE]
    for one in blocks():
        assert [words for words in known if words in one and (words in NOT_HERE or one == block(words))], one
    assert [words for words in NOT_HERE if not any(words in one for one in blocks())] == []
    assert [block(words) for words in FIRST + LATER]


def test_an_upgrade_makes_its_backup_before_anything_is_replaced() -> None:
    """The version that made the tables copies them, and little lies between new code and the restart."""
    steps = ("reveweb-before-", "git pull --ff-only\nsudo -u", "collectstatic --noinput\nsudo cp")
    order = [next(n for n, one in enumerate(blocks()) if words in one) for words in steps]
    assert order == list(range(order[0], order[0] + 3))


@pytest.mark.parametrize("again", [1, 2])
def test_nginx_has_room_for_thousands_however_often_it_is_told(tmp_path: Path, again: int) -> None:
    """Of nginx.conf as Debian and as nginx's own package have it."""
    file = tmp_path / "nginx.conf"
    script = block("worker_connections 16384").replace("sudo ", "").replace("/etc/nginx/nginx.conf", str(file))
    top, bottom = f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\n", "http {\n}\n"
    for processes, most in (("worker_processes auto;", 768), ("worker_processes  auto;", 1024)):
        file.write_text(f"{processes}\n{top}events {{\n    worker_connections {most};\n}}\n{bottom}")
        for _ in range(again):
            subprocess.run(["bash", "-euc", script], check=True)
        lines = [f"{processes}\nworker_rlimit_nofile 40000;\n", "events {\n    worker_connections 16384;\n}\n"]
        assert file.read_text() == f"{lines[0]}{top}{lines[1]}{bottom}"
        if nginx := shutil.which("nginx"):
            subprocess.run([nginx, "-t", "-c", file], check=True)


def test_the_operator_logs_in_and_sees_every_process_at_work(site: Site) -> None:
    with site.browser() as browser:
        post(browser, "/accounts/login/", login=OPERATOR, password=PASSWORD)
        page = browser.get("/admin/")
        assert (page.url.path, page.status_code) == ("/admin/", 200)
        wait_until(lambda: "never heard" not in browser.get("/admin/").text, 120)
        assert all(cookie.secure for cookie in browser.cookies.jar)


def test_somebody_signs_up_by_mail_and_makes_an_image(site: Site, ada: httpx.Client) -> None:
    assert ada.get(draw(site, ada)).headers["Content-Type"] == "image/png"


def test_metrics_are_not_public(site: Site) -> None:
    if site.certificate is None:
        pytest.skip("nginx is not installed")
    with site.browser() as browser:
        assert browser.get("/metrics").status_code == 404


def test_plans_and_packs_are_made_at_stripe(site: Site) -> None:
    assert "is new" in site.do("sync_stripe")
    site.wait_until_ready()


def test_the_doctor_finds_what_a_test_cannot_have(site: Site) -> None:
    """A name that leads here, and a mail server with a domain of its own."""
    assert "database" in site.do("manage.py doctor", fine=(0, 1)).lower()


def test_what_was_backed_up_is_there_again_in_an_empty_installation(site: Site, ada: httpx.Client) -> None:
    url = draw(site, ada)
    site.do("echo BACKUP_TO")
    with tarfile.open(site.folder / "backups" / "reveweb-first.tar") as tar:
        names = tar.getnames()
    assert "database.dump" in names
    assert [name for name in names if name.endswith(".png")]
    site.do("manage.py restore --check")
    site.wait_until_ready()
    assert (site.home / "var.before").is_dir()
    assert f"{site.role}_restored" in (site.home / ".env").read_text()
    assert is_logged_in(ada)
    assert ada.get("/").status_code == 200  # static files are there again
    assert ada.get(url).headers["Content-Type"] == "image/png"


def test_nobody_notices_a_restart_of_one_after_the_other(site: Site, ada: httpx.Client) -> None:
    site.do("enable --now reveweb-web@8001")
    wait_for_port(site.ports["web2"])
    if site.certificate is None:
        pytest.skip("nginx is not installed: nothing takes requests to the other one")
    ended = threading.Event()
    headers = {"Authorization": f"Bearer {site.secret}"}

    def ask() -> list[int]:
        answers = []
        with site.browser() as browser:
            while not ended.is_set():
                answers.append(browser.get("/v1/account", headers=headers).status_code)
                answers.append(browser.post("/v1/tokens", json={}).status_code)  # is refused, and by the site
                ended.wait(0.15)
        return answers

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            site.do("for port in")
        finally:
            ended.set()
        answers = [status for one in asking for status in one.result()]
    assert len(answers) > 50
    assert {status for status in answers if status >= 429} == set()


def test_a_new_version_takes_the_place_of_the_old_one(site: Site, ada: httpx.Client) -> None:
    site.do("reveweb-before-")
    site.do("collectstatic --noinput\nsudo cp")
    site.do("for port in")
    site.wait_until_ready()
    assert ada.get("/").status_code == 200


def test_secrets_are_rotated_and_nobody_is_logged_out(site: Site, ada: httpx.Client) -> None:
    before = (site.home / ".env").read_text()
    for known_by in ("SECRET_KEY_FALLBACKS=$new", "SECRET_KEY_FALLBACKS=$old", "whsec_the-new-one"):
        site.do(known_by)
        site.do("for port in")
        assert is_logged_in(ada)
    for known_by in ("--reseal", "ALTER ROLE", "ACL SETUSER"):
        site.do(known_by)
        site.wait_until_ready()
        assert is_logged_in(ada)
    after = dict(line.split("=", 1) for line in (site.home / ".env").read_text().splitlines())
    assert f"SECRET_KEY={after['SECRET_KEY_FALLBACKS']}\n" in before
    assert after["SECRET_KEY"] not in before
    assert after["STRIPE_WEBHOOK_SECRET"] == "whsec_the-new-one,whsec_your-secret"
    assert "another-password-of-its-own" in after["DATABASE_URL"]
    assert ":a-password-for-redis@" in after["REDIS_URL"]
    draw(site, ada)


def test_a_second_machine_without_the_images_is_found_out(site: Site, tmp_path: Path) -> None:
    """Its web process has the same database and Redis, and a folder of its own."""
    port = free_port()
    serve = [str(site.home / ".venv" / "bin" / "python"), "manage.py", "serve"]
    site.start("second", serve, site.home, VAR_DIR=str(tmp_path), PORT=str(port))
    wait_until(lambda: "are not to be seen by web@" in site.log("second"), 120)
    assert "S3_BUCKET" in site.log("second")
    assert httpx.get(f"http://localhost:{port}/healthz", timeout=60).status_code == 200  # it goes on
    assert "are not to be seen" not in site.log("reveweb-web")
    with site.browser() as browser:
        post(browser, "/accounts/login/", login=OPERATOR, password=PASSWORD)
        assert "does not see what work@" in browser.get("/admin/").text  # of either web process
