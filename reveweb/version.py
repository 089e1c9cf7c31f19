"""Which release runs; pyproject.toml has it, and `make release` sets it there."""

import tomllib
from pathlib import Path

VERSION: str = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())["project"][
    "version"
]
