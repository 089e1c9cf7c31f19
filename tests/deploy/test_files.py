"""What `deploy/` ships fits the code: its commands, variables, addresses, times and sizes are the site's own."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

from reveweb import drain, lanes
from reveweb.management.commands.run import STOP_SECONDS
from tests import ROOT

DEPLOY = ROOT / "deploy"
OF_SITE = ("web-1", "web-2", "worker-1", "worker-2", "rest", "scheduler")
# What the files' own services read, and not the site.
OF_OTHERS = {"SITE_ADDRESS", "WEB", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "GARAGE_RPC_SECRET", "REVEWEB_VERSION"}
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
LONGEST_RUNNING = ("serve", "work", "work --rest", "schedule")


def compose() -> dict[str, Any]:
    """Return compose.yaml as Compose reads it."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def unit(path: Path) -> dict[str, str]:
    """Return a unit's settings; of those that stand there more than once the last."""
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what is said to each."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if line.strip()]


def seconds(told: str) -> float:
    """Return a time as Compose, nginx and Caddy write it."""
    number, of = re.fullmatch(r"([0-9.]+)(ms|s|m)?", told.strip(";")).groups()  # type: ignore[union-attr]
    return float(number) * {"ms": 0.001, "m": 60.0}.get(of, 1.0)


def size(told: str) -> int:
    number, of = re.fullmatch(r"([0-9]+)(m|MB)", told.strip(";")).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 2**20, "MB": 10**6}[of]


def nginx(name: str) -> str:
    [value] = re.findall(rf"^\s*{name}\s+(.+?);", (DEPLOY / "nginx.conf").read_text(), re.MULTILINE)
    return str(value)


def caddy(name: str) -> str:
    [value] = re.findall(rf"^\s*{name} (.+)$", (DEPLOY / "Caddyfile").read_text(), re.MULTILINE)
    return str(value)


def commands() -> Iterator[str]:
    """Yield every command of manage.py that the files name, with its options."""
    for service in services().values():
        words = service.get("command", [])
        if "manage.py" in words:
            yield " ".join(words[words.index("manage.py") + 1 :])
    for path in UNITS:
        yield unit(path)["ExecStart"].rpartition("manage.py ")[2]
    yield from re.findall(r"manage\.py (\w+)", (DEPLOY / "Dockerfile").read_text())


def test_what_they_start_is_a_command_of_ours() -> None:
    named = list(commands())
    assert [one for one in named if one.split()[0] not in get_commands()] == []
    table = (ROOT / "docs" / "operating.md").read_text()
    for command in LONGEST_RUNNING:
        assert command in named
        assert re.search(rf"^\| .*\.venv/bin/python manage\.py {command}` \|", table, re.MULTILINE), command


def test_variables_are_known() -> None:
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    ours = {*services()["web-1"]["environment"], *re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())}
    ours |= set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    ours |= {name for kind, told in dockerfile() if kind == "ENV" for name in re.findall(r"\b([A-Z_]+)=", told)}
    ours |= set(re.findall(r"\{\$(\w+)", (DEPLOY / "Caddyfile").read_text()))
    others = {"PATH", "SOURCE_DATE_EPOCH", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR"}
    others |= {name for name in ours if name.startswith(("PYTHON", "GARAGE_"))}
    assert ours - known - OF_OTHERS - others == set()


def test_whatever_compose_asks_for_is_in_its_example() -> None:
    example = (DEPLOY / "env.example").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text()))
    assert asked - set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == set()


def test_web_processes_have_the_time_to_drain() -> None:
    needed = drain.seconds() + 1
    for name in ("web-1", "web-2"):
        assert seconds(services()[name]["stop_grace_period"]) >= needed
    for name in ("reveweb-web.service", "reveweb-web@.service"):
        assert seconds(unit(DEPLOY / "systemd" / name)["TimeoutStopSec"]) >= needed
    assert seconds(services()["caddy"]["stop_grace_period"]) > seconds(caddy("grace_period"))


def test_workers_have_the_time_to_end() -> None:
    needed = settings.WORKER_DRAIN_SECONDS + 1
    for name in ("worker-1", "worker-2", "rest"):
        assert seconds(services()[name]["stop_grace_period"]) >= needed, name
    for name in ("reveweb-worker.service", "reveweb-rest.service"):
        assert seconds(unit(DEPLOY / "systemd" / name)["TimeoutStopSec"]) >= needed
    assert int(re.findall(r"stopwaitsecs=(\d+)", (DEPLOY / "supervisord.conf").read_text())[2]) > STOP_SECONDS


def test_proxies_wait_longer_than_calls_are_held() -> None:
    assert seconds(nginx("proxy_read_timeout")) > settings.SYNC_WAIT_SECONDS + 10
    assert seconds(caddy("response_header_timeout")) > settings.SYNC_WAIT_SECONDS + 10


def test_proxies_close_idle_connections_before_we_do() -> None:
    told = re.findall(r"^\s*keepalive_timeout (\w+);", (DEPLOY / "nginx.conf").read_text(), re.MULTILINE)
    assert seconds(told[0]) < settings.REQUEST_SECONDS
    assert seconds(caddy("keepalive")) < settings.REQUEST_SECONDS


def test_proxies_take_the_largest_body_that_we_take() -> None:
    largest = max(*lanes.PICTURE_FORM_BYTES.values(), lanes.PICTURE_JSON_BYTES, *lanes.MOST_BYTES.values())
    assert size(nginx("client_max_body_size")) >= largest
    assert size(caddy("max_size")) >= largest


def test_proxies_pass_host_and_scheme_and_buffer_nothing() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    for header in ("Host $host", "X-Forwarded-For $proxy_add_x_forwarded_for", "X-Forwarded-Proto $scheme"):
        assert f"proxy_set_header {header};" in text
    assert nginx("proxy_buffering") == "off"
    assert caddy("flush_interval") == "-1"
    inner = re.findall(r"location [^{]*\{([^}]*)\}", text)  # headers of a location would take the place of all others
    assert not any("proxy_set_header" in one for one in inner)


def test_metrics_are_not_public() -> None:
    assert re.search(r"location /metrics \{\s*return 404;", (DEPLOY / "nginx.conf").read_text())
    text = (DEPLOY / "Caddyfile").read_text()
    assert "@inside path /metrics /metrics/*" in text
    assert text.index("respond @inside 404") < text.index("reverse_proxy")


def test_prometheus_asks_every_process_that_counts() -> None:
    """Of containers each; of systemd's, which share one folder, one alone."""
    asked = {}
    for name in ("prometheus.yml", "prometheus-containers.yml"):
        jobs = yaml.safe_load((DEPLOY / "prometheus" / name).read_text())["scrape_configs"]
        asked[name] = {
            target: "authorization" in job
            for job in jobs
            for config in job["static_configs"]
            for target in config["targets"]
        }
    wanted = {}
    for name in OF_SITE:
        told = services()[name]
        if told["command"][2] == "serve":
            wanted[f"{name}:8000"] = True
        elif told["command"][2] == "work":
            assert told["environment"]["METRICS_HOST"] == "0.0.0.0"
            wanted[f"{name}:{told['environment']['METRICS_PORT']}"] = False
    assert asked["prometheus-containers.yml"] == wanted
    assert asked["prometheus.yml"] == {"127.0.0.1:8000": True}


def test_health_checks_ask_at_addresses_that_are_there() -> None:
    asked = [caddy("health_uri"), *re.findall(r":8000(/\w+)", (DEPLOY / "Dockerfile").read_text())]
    assert asked == ["/readyz?only=process", "/healthz"]
    for one in asked:
        assert resolve(one.partition("?")[0])


def test_only_the_proxy_has_ports() -> None:
    assert [name for name, service in services().items() if "ports" in service] == ["caddy"]
    networks = compose()["networks"]
    assert networks["inside"]["internal"]
    for name in ("postgres", "valkey", "storage"):
        assert services()[name]["networks"] == ["inside"]


@pytest.mark.parametrize("name", services())
def test_each_service_is_bounded_watched_and_started_again(name: str) -> None:
    service = services()[name]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    own = "build" in service  # the image's own check is for the web processes
    assert ("healthcheck" in service) != (own and name.startswith("web"))
    if not own:
        assert ":" in service["image"], "no version is named"
        assert not service["image"].endswith(":latest")
        assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OF_SITE)
def test_what_is_needed_comes_first(name: str) -> None:
    needed = {one: told["condition"] for one, told in services()[name]["depends_on"].items()}
    assert needed == {
        "migrate": "service_completed_successfully",
        **dict.fromkeys(("postgres", "valkey", "storage"), "service_healthy"),
    }


def test_volumes_are_declared_and_outlive_what_must_not_be_lost() -> None:
    used = {one.split(":")[0] for service in services().values() for one in service.get("volumes", [])}
    assert {one for one in used if not one.startswith("./")} == set(compose()["volumes"])
    for one in used:
        assert not one.startswith("./") or (DEPLOY / one).is_file()
    mounts = {name: service["volumes"][0] for name, service in services().items() if name.startswith("worker")}
    assert len(set(mounts.values())) == 2  # each its own: an image that storage does not take is kept there
    assert all(one.endswith("/var/unstored") for one in mounts.values())
    statics = "/srv/reveweb/var"  # a volume there would hide the static files of a newer image
    assert not any(
        one.split(":")[1] == statics for service in services().values() for one in service.get("volumes", [])
    )


def test_connections_suffice_for_all_processes() -> None:
    words = services()["postgres"]["command"]
    [most] = [int(word.split("=")[1]) for word in words if word.startswith("max_connections")]
    assert most >= len(OF_SITE) * settings.DATABASE_CONNECTIONS + 10


def test_valkey_neither_evicts_nor_forgets() -> None:
    words = services()["valkey"]["command"]
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert words[words.index("--appendonly") + 1] == "yes"


def test_no_secret_is_on_a_command_line() -> None:
    for name, service in services().items():
        words = service.get("command", [])
        assert not re.search(r"(?<!\$)\$\{?\w*(PASSWORD|SECRET|KEY|TOKEN)", " ".join(words)), name
    notes = (DEPLOY / "helm/reveweb/templates/NOTES.txt").read_text()
    assert "--password" not in notes


def test_valkey_has_its_password_and_its_options(tmp_path: Path) -> None:
    """Its command as Compose runs it, with a program in the server's place that says what it was given."""
    entry = tmp_path / "docker-entrypoint.sh"
    entry.write_text('#!/bin/sh\nprintf "%s|" "$@"; cat\n')
    entry.chmod(0o755)
    words = [word.replace("$$", "$") for word in services()["valkey"]["command"]]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDISCLI_AUTH": "of-the-test"}
    said = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
    given = said.split("|")
    assert given[0] == "valkey-server"
    assert given[-2:] == ["-", "requirepass of-the-test\n"]  # it reads what it is told there when that is the last word
    assert given[given.index("--save") + 1] == ""


def test_the_way_to_https_is_to_this_site_whatever_host_was_asked_for() -> None:
    assert not re.search(r"return 30\d https?://\$(host|http_host)", (DEPLOY / "nginx.conf").read_text())


def test_the_image_runs_as_nobody_from_pinned_packages() -> None:
    kinds = dockerfile()
    users = [told for kind, told in kinds if kind == "USER"]
    assert users == ["10001:10001"]
    assert "--require-hashes" in " ".join(told for kind, told in kinds if kind == "RUN")
    assert ("STOPSIGNAL", "SIGTERM") in kinds
    last = next(told for kind, told in reversed(kinds) if kind == "CMD")
    assert last.startswith("["), "a shell would be in the way of signals"
    stages = [told for kind, told in kinds if kind == "FROM"]
    assert len(stages) == 2


def test_nothing_secret_and_all_that_is_needed_gets_into_the_image() -> None:
    assert in_image(".env") is in_image("deploy/.env") is in_image("var/secret-key") is False
    assert in_image("billing/.env.local") is in_image("kit/__pycache__/a.pyc") is in_image("tests/conftest.py") is False
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "sandbox", "tools"}
    for name in (*packages, "static", "templates"):
        assert in_image(f"{name}/anything"), name
    assert all(map(in_image, ["manage.py", "pyproject.toml", "requirements.txt"]))


def in_image(path: str) -> bool:
    """Tell whether a file gets into the image, as the last line says that matches it or a folder above it."""
    found = True
    folders = [path, *(str(one) for one in Path(path).parents)][:-1]
    for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").removeprefix("**/")
            anywhere = "**/" in line
            names = [*folders, *(Path(one).name for one in folders)] if anywhere else folders
            if any(fnmatch(one, pattern) and (anywhere or one.count("/") == pattern.count("/")) for one in names):
                found = line.startswith("!")
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_are_on_a_short_lead(path: Path) -> None:
    told = unit(path)
    assert (told["NoNewPrivileges"], told["ProtectSystem"], told["PrivateTmp"]) == ("yes", "strict", "yes")
    assert told["User"] == "reveweb"
    assert told["UMask"] == "0077"
    assert "/srv/reveweb/var" in told["ReadWritePaths"].split()
    assert told["MemoryMax"]
    assert shlex.split(told["ExecStart"])
    if told.get("Type") != "oneshot":
        assert (told["Restart"], told["KillMode"]) == ("always", "mixed")
        assert told["PartOf"] == "reveweb.target"


def test_the_target_has_each_process_once() -> None:
    wanted = unit(DEPLOY / "systemd" / "reveweb.target")["Wants"].split()
    assert wanted == [f"reveweb-{name}.service" for name in ("web", "worker", "rest", "scheduler")]
    assert all((DEPLOY / "systemd" / name).is_file() for name in wanted)
