"""The client packages: built of a running site's document, installed as anybody would, and used against that site."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from reveweb.docs import book, rendering
from tests.clients.test_clients import tools as tools  # the fixture
from tests.installation import Stack
from tools import clients

pytestmark = pytest.mark.stack

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
MET = {
    "image": "completed",
    "repeated": True,
    "edited": "InvalidRequest",
    "fail": ["ImageFailed", "upstream_failed"],
    "refuse": ["PromptRefused", "prompt_refused"],
    "blank": ["InvalidRequest", "prompt"],
    "stranger": "WrongKey",
    "nothing": "NotFound",
    "models": ["text2image_v1"],
    "late": "TookTooLong",
}


@pytest.fixture(scope="module")
def described(stack: Stack) -> dict[str, Any]:
    return cast(dict[str, Any], httpx.get(f"{stack.url}/v1/openapi.json", timeout=60).json())


@pytest.fixture(scope="module")
def venv(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and what that asks for."""
    folder = tmp_path_factory.mktemp("python")
    wheel = clients.build_python(described, folder, folder)
    run(folder, str(BIN / "uv"), "venv", "--quiet", "--python", sys.executable, "venv")
    python = folder / "venv" / "bin" / "python"
    run(folder, str(BIN / "uv"), "pip", "install", "--quiet", "--python", str(python), str(wheel))
    return folder / "venv" / "bin"


@pytest.fixture(scope="module")
def project(described: dict[str, Any], tools: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Node.js project with the npm package, which brings all that it needs."""
    folder = tmp_path_factory.mktemp("node")
    package = clients.build_typescript(described, folder, folder)
    project = folder / "project"
    project.mkdir()
    (project / "package.json").write_text('{"type": "module", "private": true}')
    run(project, "npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", str(package))
    return project


def run(folder: Path, *command: str, status: int = 0, own: dict[str, str] | None = None) -> str:
    """Run a program and return what it prints. Fails the test when it does not end with `status`."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(own or {})},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + (done.stderr if status else "")


@dataclass
class Developer:
    url: str
    key: str


@pytest.fixture
def developer(stack: Stack) -> Iterator[Developer]:
    with stack.developer(f"packaged-{uuid4().hex[:8]}@example.com", credits=20) as somebody:
        yield Developer(stack.url, somebody.headers["Authorization"].removeprefix("Bearer "))


@pytest.fixture
def poor(stack: Stack) -> Iterator[Developer]:
    """Somebody without credits."""
    with stack.developer(f"poor-{uuid4().hex[:8]}@example.com") as somebody:
        while somebody.post("/v1/reve-image/generate", json={"prompt": "x", "async": True}).is_success:
            pass
        yield Developer(stack.url, somebody.headers["Authorization"].removeprefix("Bearer "))


class Bumpy:
    """A proxy before a site that answers by itself at first: 429, a page of HTML, and then what the site says."""

    def __init__(self, site: str) -> None:
        self.keys: list[str | None] = []
        first = [(429, {"Retry-After": "0"}, b"{}"), (503, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>")]
        bumpy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bumpy.keys.append(self.headers["Idempotency-Key"])
                if first:
                    status, headers, content = first.pop(0)
                else:
                    known = {name: self.headers[name] for name in ("Authorization", "Content-Type", "Idempotency-Key")}
                    answer = httpx.post(f"{site}{self.path}", content=body, headers=known, timeout=60)
                    status, headers, content = answer.status_code, {"Content-Type": "application/json"}, answer.content
                self._answer(status, headers, content)

            def do_GET(self) -> None:
                known = {"Authorization": self.headers["Authorization"]}
                answer = httpx.get(f"{site}{self.path}", headers=known, timeout=60)
                self._answer(answer.status_code, {"Content-Type": "application/json"}, answer.content)

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def bumpy(stack: Stack) -> Iterator[Bumpy]:
    made = Bumpy(stack.url)
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


# --- Python


def test_the_wheel_meets_every_outcome(venv: Path, developer: Developer, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text((HERE / "package.py.txt").read_text())
    assert json.loads(run(tmp_path, str(venv / "python"), "program.py", developer.url, developer.key)) == MET
    with Image.open(tmp_path / "fox.png") as image:
        assert image.format == "PNG"


def test_the_wheel_is_typed(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text((HERE / "package.py.txt").read_text())
    python = ["--python-executable", str(venv / "python"), "--cache-dir", str(tmp_path / "cache")]
    run(tmp_path, str(BIN / "mypy"), "--strict", *python, "program.py")
    run(tmp_path, str(BIN / "mypy"), "--strict", *python, "--follow-imports", "silent", "-p", "reveweb_client.client")


def test_the_command(venv: Path, developer: Developer, poor: Developer, tmp_path: Path) -> None:
    own = {"REVEWEB_URL": developer.url, "REVEWEB_API_KEY": developer.key}
    reveweb = str(venv / "reveweb")
    assert (
        run(tmp_path, reveweb, "generate", "a fox", "-o", "fox.png", "--aspect-ratio", "16:9", own=own) == "fox.png\n"
    )
    with Image.open(tmp_path / "fox.png") as image:
        assert image.width > image.height
    assert run(tmp_path, reveweb, "generate", "a fox", own=own).startswith(f"{developer.url}/images/")
    assert "invalid_request" in run(tmp_path, reveweb, "generate", " ", status=1, own=own)
    assert "not_found" in run(tmp_path, reveweb, "status", "img_nothing", status=1, own=own)
    own = {"REVEWEB_URL": poor.url, "REVEWEB_API_KEY": poor.key}
    assert "insufficient_credits" in run(tmp_path, reveweb, "generate", "a fox", status=1, own=own)
    assert "address" in run(tmp_path, reveweb, "balance", status=1, own={"REVEWEB_URL": "", "REVEWEB_API_KEY": ""})


def test_the_wheel_sends_again_what_is_worth_it(venv: Path, developer: Developer, bumpy: Bumpy, tmp_path: Path) -> None:
    own = {"REVEWEB_URL": bumpy.url, "REVEWEB_API_KEY": developer.key}
    assert run(tmp_path, str(venv / "reveweb"), "generate", "a fox", own=own).startswith("http")
    assert len(bumpy.keys) == 3
    assert len(set(bumpy.keys)) == 1


def test_the_wheel_refuses_what_is_not_answered_with_one_image(
    venv: Path, developer: Developer, bumpy: Bumpy, tmp_path: Path
) -> None:
    program = """
import sys
from reveweb_client import Reveweb

with Reveweb(*sys.argv[1:]) as reveweb:
    calls = (reveweb.generate, ()), (reveweb.start, ()), (reveweb.edit, ("none",)), (reveweb.remix, (["none"],))
    for call, pictures in calls:
        for options in ({"n": 2}, {"dry_run": True}):
            try:
                call(*pictures, prompt="a fox", **options)
            except ValueError as error:
                print(str(error).partition(":")[0])
    print(reveweb.generate("a fox", n=1, dry_run=False).status)
"""
    told = run(tmp_path, str(venv / "python"), "-c", program, bumpy.url, developer.key).splitlines()
    assert told == ["n", "dry_run"] * 4 + ["completed"]
    assert len(bumpy.keys) == 3  # of the last one, which is sent again twice


@pytest.mark.parametrize("language", ["bash", "python", "javascript"])
def test_what_the_documentation_shows(
    venv: Path, project: Path, developer: Developer, tmp_path: Path, language: str
) -> None:
    page = book.find("clients")
    assert page
    groups = rendering.code_groups(book.source(page, developer.url))
    codes = [code for group in groups for code in group if code.language == language and "package" in code.options]
    assert codes
    command = {"bash": ["bash", "-euc"], "python": [str(venv / "python"), "-c"]}.get(
        language, ["node", "--input-type=module", "-e"]
    )
    folder = project if language == "javascript" else tmp_path
    for code in codes:
        run(folder, *command, code.text, own={"PATH": f"{venv}:{os.environ['PATH']}", "REVEWEB_API_KEY": developer.key})
        with Image.open(folder / "fox.png") as image:
            assert image.format == "PNG"


# --- TypeScript


def test_the_npm_package_meets_every_outcome(project: Path, developer: Developer) -> None:
    (project / "program.ts").write_text((HERE / "package.ts.txt").read_text())
    (project / "tsconfig.json").write_text(
        json.dumps(
            {
                "compilerOptions": {
                    "strict": True,
                    "module": "nodenext",
                    "target": "es2022",
                    "lib": ["es2022", "dom"],
                    "types": ["node"],
                    "typeRoots": [str(clients.NPM / "@types")],
                },
                "files": ["program.ts"],
            }
        )
    )
    run(project, str(clients.NPM / ".bin" / "tsc"))
    assert json.loads(run(project, "node", "program.js", developer.url, developer.key)) == MET


def test_the_npm_package_sends_again_what_is_worth_it(project: Path, developer: Developer, bumpy: Bumpy) -> None:
    program = (
        'import { Reveweb } from "reveweb-client";'
        "const [url, key] = process.argv.slice(1);"
        'console.log((await new Reveweb(url, key).generate("a fox")).status);'
    )
    command = ["node", "--input-type=module", "-e", program, bumpy.url, developer.key]
    assert run(project, *command) == "completed\n"
    assert len(bumpy.keys) == 3
    assert len(set(bumpy.keys)) == 1


def test_the_npm_package_tells_of_credits_that_are_gone(project: Path, poor: Developer) -> None:
    program = (
        'import { InsufficientCredits, Reveweb } from "reveweb-client";'
        "const [url, key] = process.argv.slice(1);"
        'try { await new Reveweb(url, key).generate("a fox"); }'
        "catch (error) { console.log(error instanceof InsufficientCredits, error.code); }"
    )
    command = ["node", "--input-type=module", "-e", program, poor.url, poor.key]
    assert run(project, *command) == "true insufficient_credits\n"
