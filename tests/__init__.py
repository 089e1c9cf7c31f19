"""What proves reveweb; `make test` runs it all, `make check` what a change touches, `make t` what one names."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
