"""Servers that a bench starts, each as its user would: the upstream, and the gateways LiteLLM and Portkey."""

import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.load import processes
from benchmarks.load.client import NUMBER, Load
from tests import ROOT
from tests.environment import free_port

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
PROMPT = f"a lighthouse at dawn, number {NUMBER.decode()}"
OPENAI_BODY = json.dumps({"model": "picture", "prompt": PROMPT, "n": 1, "size": "1024x1024"})


class Contestant:
    """A server that was started for a bench. `root` is the checkout or folder that it runs in."""

    name = ""
    load: Load

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str], root: Path = ROOT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.folder = folder
        self._log = (folder / f"{type(self).__name__.lower()}.log").open("ab")
        self.process = subprocess.Popen(
            command,
            cwd=root,
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def ready(self, url: str, seconds: float = 120) -> None:
        """Return once `url` answers 200. Raises TimeoutError, or RuntimeError when the process ended."""
        try:
            processes.until(lambda: self._check(url), seconds, f"{self.name} answers; {self._log.name}")
        except BaseException:
            self.stop()
            raise

    def _check(self, url: str) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {Path(self._log.name).read_text(errors='replace')[-2000:]}")
        return ask(url) is not None

    def parts(self) -> dict[str, list[int]]:
        """Return its processes by what they are for."""
        return {"process": processes.tree(self.process.pid)}

    def stop(self) -> None:
        """End it and all that it started."""
        processes.end(self.process, 60)
        self._log.close()


class Upstream(Contestant):
    """The upstream of all."""

    name = "upstream"

    def __init__(self, folder: Path, pictures: list[Path]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "benchmarks.load.upstream", str(self.port), *map(str, pictures)]
        super().__init__(folder, command, {})
        self.ready(f"{self.url}/bench")
        self.load = Load(self.port, "/v1/images/generations", 1, body=OPENAI_BODY)

    def configure(self, **wanted: float) -> None:
        """Set what is to come, and forget what was."""
        ask(f"{self.url}/bench", wanted)

    def counts(self) -> dict[str, int]:
        """Return the counts since `configure`."""
        counts: dict[str, int] = ask(f"{self.url}/bench")
        return counts

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs since `configure`."""
        jobs: list[dict[str, Any]] = ask(f"{self.url}/bench/jobs")
        return jobs


class LiteLLM(Contestant):
    """LiteLLM's proxy, one worker, without a database."""

    name = "LiteLLM"
    program = ROOT / "benchmarks" / "litellm" / ".venv" / "bin" / "litellm"

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port, key = free_port(), f"sk-{secrets.token_hex(16)}"
        model = {"model": "openai/picture", "api_base": f"{upstream.url}/v1", "api_key": "none"}
        config = {
            "model_list": [
                {"model_name": "picture", "litellm_params": model, "model_info": {"mode": "image_generation"}}
            ],
            "litellm_settings": {"telemetry": False, "num_retries": 0},
            "general_settings": {"master_key": key},  # it starts without none; made up, and opens nothing
        }
        (folder / "litellm.json").write_text(json.dumps(config))  # which YAML is too
        command = [str(self.program), "--config", str(folder / "litellm.json"), "--port", str(port)]
        options = ["--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"]
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"}
        super().__init__(folder, command + options, environment, folder)
        self.ready(f"http://127.0.0.1:{port}/health/liveliness")
        headers = {"Authorization": f"Bearer {key}"}
        self.load = Load(port, "/v1/images/generations", 1, headers=headers, body=OPENAI_BODY)


class Portkey(Contestant):
    """Portkey's gateway."""

    name = "Portkey"
    package = ROOT / "benchmarks" / "portkey" / "node_modules" / "@portkey-ai" / "gateway"

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        port = free_port()
        script = self.package / "build" / "start-server.js"
        command = ["node", str(script), f"--port={port}", "--headless"]
        super().__init__(folder, command, {"NODE_ENV": "production"}, folder)
        self.ready(f"http://127.0.0.1:{port}/")
        headers = {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{upstream.url}/v1",
            "Authorization": "Bearer none",
        }
        self.load = Load(port, "/v1/images/generations", 1, headers=headers, body=OPENAI_BODY)


def ask(url: str, body: Any = None) -> Any:
    """Return the JSON of a good answer (True where it is none), or None."""
    data = None if body is None else json.dumps(body).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(urllib.request.Request(url, data), timeout=30) as answer:
            text = answer.read()
    except (urllib.error.URLError, OSError):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return True
