"""The clients that the grid drives: where each is installed, its pin, and how its driver is started."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

HERE = Path(__file__).parent
DRIVERS = HERE / "drivers"
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Client:
    """A package, or a program, that speaks to the API.

    `name` is what people know it as. `driver` is a program in `drivers/`, run in the environment `environment` (""
    for the tests' own); `version` is the pinned one, "" for what this machine has.
    """

    slug: str
    name: str
    driver: str
    environment: str = ""
    version: str = ""

    @property
    def marker(self) -> str:
        """The file that says that it is installed, which `make` makes; "" where there is nothing to install."""
        if self.driver.endswith(".mjs") and self.version:
            return "tests/conformance/node_modules/.installed"
        return f"tests/conformance/.venvs/{self.environment}/.installed" if self.environment else ""

    @property
    def command(self) -> list[str]:
        """What starts its driver, but for the facts."""
        if self.driver.endswith(".mjs"):
            return ["node", str(DRIVERS / self.driver)]
        python = HERE / ".venvs" / self.environment / "bin" / "python" if self.environment else Path(sys.executable)
        return [str(python), str(DRIVERS / self.driver)]


CLIENTS = (
    Client("openai", "openai (Python)", "with_openai.py", "openai", "3.57.0"),
    Client("openai-node", "openai (Node.js)", "with_openai.mjs", version="7.57.0"),
    Client("litellm", "LiteLLM (Python)", "with_litellm.py", "litellm", "1.110.2"),
    Client("reve", "reve (Python)", "with_reve.py", "reve", "0.1.9"),
    Client("requests", "The public document’s example in Python", "with_requests.py"),
    Client("fetch", "The public document’s example for Node.js", "with_fetch.mjs"),
    Client("curl", "curl", "with_curl.py"),
)


def install() -> None:
    """Install what is missing, as `make test` does beforehand."""
    markers = sorted({client.marker for client in CLIENTS if client.marker})
    subprocess.run(["make", "--silent", *markers], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def environment() -> dict[str, str]:
    """Return the environment of drivers: nothing of this project's, and no proxy between them and the server."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, "NO_PROXY": "*", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
