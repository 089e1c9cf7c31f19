"""The list of planted faults: what each changes, what it would cost, and the tests that must notice."""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("faults.toml")


class BadlyPlanted(Exception):
    """A fault that says nothing about the tests: it does not fit the source, or breaks it for everybody."""


@dataclass(frozen=True)
class Fault:
    """One small change to one file. `database` is where its tests run; SQLite has no row locks to leave out."""

    name: str
    cost: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    database: Literal["sqlite", "postgresql"] = "sqlite"

    def planted(self, source: str) -> str:
        """Return `source`, the text of the fault's file, with the fault in it. Raises BadlyPlanted."""
        if (found := source.count(self.old)) != 1:
            raise BadlyPlanted(f"{self.path} has the old text {found} times, and must have it once")
        changed = source.replace(self.old, self.new)
        if self.path.endswith(".py") and _meaning(changed) == _meaning(source):
            raise BadlyPlanted("the new text means the same as the old")
        return changed


def load() -> list[Fault]:
    """Return the faults of the list, in its order."""
    rows = tomllib.loads(LIST.read_text())["fault"]
    return [Fault(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def check(fault: Fault, root: Path = ROOT) -> None:
    """Raise BadlyPlanted unless the fault fits its file and every test that it names is there."""
    path = root / fault.path
    if not path.is_file():
        raise BadlyPlanted(f"there is no {fault.path}")
    fault.planted(path.read_text())
    if not fault.tests:
        raise BadlyPlanted("it names no test")
    for test in fault.tests:
        file, _, name = test.partition("::")
        function = name.rpartition("::")[2].partition("[")[0]
        if not function or not (root / file).is_file():
            raise BadlyPlanted(f"there is no test {test}")
        if not re.search(rf"def {re.escape(function)}\(", (root / file).read_text()):
            raise BadlyPlanted(f"there is no test {test}")


def _meaning(source: str) -> str:
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError as error:
        raise BadlyPlanted(f"it cannot be parsed any more: {error}") from error
