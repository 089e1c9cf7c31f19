"""`make clients`: build the client packages, `dist/reveweb_client-….whl` and `dist/reveweb-client-….tgz`.

Each is what is written by hand in `clients/` and what well-kept generators make of the API's document: Python with
openapi-python-client, TypeScript with openapi-typescript. What is generated is not committed, so it is never out of
step with the API. Nothing is published, and nothing but the machine is needed once the tools are installed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "clients"
NPM = ROOT / "tools" / "openapi" / "node_modules"
BIN = Path(sys.executable).parent
BUNDLED = ("openapi-fetch", "openapi-typescript-helpers")


def document() -> dict[str, Any]:
    """Return the document of the API as this code has it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from reveweb import openapi

    return openapi.document("https://images.example.com")


def build_python(described: dict[str, Any], work: Path, to: Path) -> Path:
    """Build the wheel in the empty folder `work`, put it into `to`, and return it."""
    folder = work / "python"
    shutil.copytree(CLIENTS / "python", folder)
    (work / "openapi.json").write_text(json.dumps(described))
    package = folder / "src" / "reveweb_client"
    options = ["--path", "openapi.json", "--meta", "none", "--output-path", str(package / "generated")]
    _run(work, str(BIN / "openapi-python-client"), "generate", *options, "--fail-on-warning")
    _run(folder, sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(to), ".")
    return max(to.glob("reveweb_client-*.whl"), key=lambda path: path.stat().st_mtime)


def build_typescript(described: dict[str, Any], work: Path, to: Path) -> Path:
    """Build the npm package in the empty folder `work`, put it into `to`, and return it."""
    folder = work / "typescript"
    shutil.copytree(CLIENTS / "typescript", folder)
    (folder / "openapi.json").write_text(json.dumps(described))
    for name in BUNDLED:
        shutil.copytree(NPM / name, folder / "node_modules" / name)
    (folder / "node_modules" / "@types").symlink_to(NPM / "@types")
    (folder / "node_modules" / "undici-types").symlink_to(NPM / "undici-types")
    _run(folder, str(NPM / ".bin" / "openapi-typescript"), "openapi.json", "-o", "src/document.ts")
    _run(folder, str(NPM / ".bin" / "tsc"), "-p", ".")
    _run(folder, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(to))
    return max(to.glob("reveweb-client-*.tgz"), key=lambda path: path.stat().st_mtime)


def main() -> None:
    """Build both and say where they are."""
    described = document()
    to = ROOT / "dist"
    to.mkdir(exist_ok=True)
    with TemporaryDirectory() as work:
        for build in (build_python, build_typescript):
            print(build(described, Path(work), to).relative_to(ROOT))


def _run(folder: Path, *command: str) -> None:
    own = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "CI": "1"}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
