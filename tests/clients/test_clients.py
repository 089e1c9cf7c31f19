"""The document as others read it: linters, clients that are made of it, and a tester that takes it at its word.

The clients compile strictly without a cast, and meet every outcome.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests import ROOT
from tests.installation import Stack

pytestmark = pytest.mark.stack

HERE = Path(__file__).parent
TOOLS = ROOT / "tools" / "openapi" / "node_modules"
BIN = Path(sys.executable).parent
COMPILER = {
    "strict": True,
    "module": "nodenext",
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "types": ["node"],
    "skipLibCheck": True,
    "outDir": "made",
}
TOLD = {
    "waited": "/images/1",
    "polled": "A red fox20",
    "fail": "failed upstream_failed failed",
    "refuse": "failed prompt_refused failed",
    "refused": "prompt",
    "blank": "prompt",
    "conflict": "true",
    "stranger": "invalid_api_key",
}


@pytest.fixture(scope="session")
def tools() -> None:
    """Install what npm brings, where `make t` was called before `make test` ever was."""
    command = ["make", "--silent", "tools/openapi/node_modules/.installed"]
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def folder(tmp_path: Path, tools: None, stack: Stack) -> Path:
    """A project of its own with the running site's document in it."""
    answer = httpx.get(f"{stack.url}/v1/openapi.json", timeout=60)
    (tmp_path / "openapi.json").write_bytes(answer.content)
    (tmp_path / "node_modules").symlink_to(TOOLS)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER, "include": ["*.ts"]}))
    return tmp_path


@pytest.fixture
def document(stack: Stack) -> Any:
    return httpx.get(f"{stack.url}/v1/openapi.json", timeout=60).json()


def run(folder: Path, *command: str, seconds: float = 300) -> str:
    """Run a program in the project and return what it prints. Fails the test when it fails."""
    own = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "CI": "1", "MYPYPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=own, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tool(name: str) -> str:
    return str(TOOLS / ".bin" / name)


def told(stack: Stack, folder: Path, *command: str) -> Any:
    """Run a client's program as somebody with credits, and return what it says it met."""
    with stack.developer(f"client-{uuid4().hex[:8]}@example.com", credits=20) as somebody:
        key = somebody.headers["Authorization"].removeprefix("Bearer ")
        answer = json.loads(run(folder, *command, stack.url, key))
    assert answer.pop("stage") in ("queued", "submitting", "drawing")
    return answer


# --- Linters -------------------------------------------------------------------------------------------------------


AMBIGUOUS = ("--skip-rule", "no-ambiguous-paths")  # no image is called `status`: ids begin with `img_`


def test_redocly_finds_nothing(folder: Path) -> None:
    run(folder, tool("redocly"), "lint", "--extends", "recommended-strict", *AMBIGUOUS, "openapi.json")


def test_spectral_finds_nothing(folder: Path) -> None:
    """All of its rules but one: there is an address to write to only where the operator has one."""
    (folder / "rules.yaml").write_text("{extends: [[spectral:oas, all]], rules: {contact-properties: off}}")
    run(folder, tool("spectral"), "lint", "openapi.json", "--ruleset", "rules.yaml", "--fail-severity", "hint")


def test_they_find_what_was_wrong_before(folder: Path) -> None:
    document = json.loads((folder / "openapi.json").read_text())
    document["components"]["securitySchemes"]["KeyAuth"]["name"] = "API key"
    (folder / "openapi.json").write_text(json.dumps(document))
    with pytest.raises(AssertionError, match="name"):
        test_redocly_finds_nothing(folder)


# --- Clients -------------------------------------------------------------------------------------------------------


def test_openapi_typescript_and_openapi_fetch(stack: Stack, folder: Path) -> None:
    run(folder, tool("openapi-typescript"), "openapi.json", "-o", "document.ts")
    (folder / "program.ts").write_text((HERE / "openapi_fetch.ts.txt").read_text())
    run(folder, tool("tsc"))
    assert told(stack, folder, "node", "made/program.js") == TOLD


def test_hey_api(stack: Stack, folder: Path) -> None:
    wanted = {"path": "generated", "importFileExtension": ".js"}  # as Node.js wants imports
    options = {"input": "openapi.json", "output": wanted, "plugins": ["@hey-api/client-fetch"]}
    (folder / "openapi-ts.config.mjs").write_text(f"export default {json.dumps(options)};")
    run(folder, tool("openapi-ts"))
    (folder / "program.ts").write_text((HERE / "hey_api.ts.txt").read_text())
    run(folder, tool("tsc"))
    assert told(stack, folder, "node", "made/program.js") == TOLD


def test_openapi_python_client(stack: Stack, folder: Path) -> None:
    options = ["--path", "openapi.json", "--meta", "none", "--output-path", "generated", "--fail-on-warning"]
    run(folder, str(BIN / "openapi-python-client"), "generate", *options)
    (folder / "program.py").write_text((HERE / "openapi_python_client.py.txt").read_text())
    run(
        folder,
        str(BIN / "mypy"),
        "--strict",
        "--follow-imports",
        "silent",
        "--cache-dir",
        str(ROOT / ".mypy_cache" / "clients"),
        "program.py",
    )
    assert told(stack, folder, sys.executable, "program.py") == TOLD


# --- Whatever the document allows, and what it doesn't ---------------------------------------------------------------


# A short run asks the same each time; `FUZZ=200` asks so much of each operation, and what it asks is new each time.
FUZZ = os.environ.get("FUZZ", "")
SEED = os.environ.get("FUZZ_SEED", "")
EXAMPLES = {"examples,coverage,fuzzing": "3", "stateful": "20"}
AT_RANDOM = ("--seed", SEED) if SEED else ()


@pytest.mark.timeout(400 + 60 * int(FUZZ or 0))
@pytest.mark.parametrize("phases", ["examples,coverage,fuzzing", "stateful"], ids=["requests", "chains"])
def test_schemathesis_meets_nothing_that_is_not_described(
    stack: Stack, tmp_path: Path, document: Any, phases: str
) -> None:
    """Examples, edge cases, random requests, and chains of them along the links. Each waits for its image.

    Every operation of the document is asked, and every link is followed, those of today and those to come.
    """
    # Words may name what is not there: a model, a picture. No document can tell which are.
    (tmp_path / "schemathesis.toml").write_text(
        "[checks.positive_data_acceptance]\n"
        'expected-statuses = ["2xx", "401", "402", "403", "404", "409", "422", "429"]\n'
    )
    with stack.developer(f"schemathesis-{uuid4().hex[:8]}@example.com", credits=10_000) as somebody:
        # One worker: under CPython 3.11 two threads that parse at once break each other's depth (gh-106905).
        printed = run(
            tmp_path,
            str(BIN / "schemathesis"),
            "run",
            f"{stack.url}/v1/openapi.json",
            *("--header", f"Authorization: {somebody.headers['Authorization']}"),
            *("--checks", "all", "--phases", phases, "--mode", "all"),
            *("--max-examples", FUZZ or EXAMPLES[phases], "--no-shrink", "--workers", "1", "--no-color"),
            *(AT_RANDOM if FUZZ else ("--generation-deterministic",)),
            seconds=300 + 60 * int(FUZZ or 0),
        )
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    if phases == "stateful":
        links = sum(len(answer.get("links", {})) for one in operations for answer in one["responses"].values())
        found = re.search(
            r"API Links: +[1-9]\d* covered / (\d+) selected / (\d+) total(?: \((\d+) inferred\))?", printed
        )
        assert found, printed
        assert int(found[1]) == int(found[2]) == links + int(found[3] or 0)
    else:
        assert re.search(rf"Coverage .*\n\n +✅ {len(operations)} passed", printed), printed
