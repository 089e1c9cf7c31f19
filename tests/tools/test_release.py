"""`make release`: what it refuses, and what it leaves behind."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import ROOT
from tools.release import CURRENT, UNRELEASED, Refused, dated_changelog, release

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- A door.

## [0.3.0] - 2026-01-31

- A wall.
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small repository whose last release was 0.3.0, with the tools of this one."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "reveweb"\nversion = "0.3.0"\n\n[tool.x]\nversion = "9"\n'
    )
    (tmp_path / ".gitignore").write_text("__pycache__/\n.ruff_cache/\n")
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("biome", "__pycache__"))
    (tmp_path / "ruff.toml").write_text('line-length = 120\nlint.select = ["F"]\n')
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for name, value in {"user.name": "Ada", "user.email": "ada@example.com", "commit.gpgsign": "false"}.items():
        git(tmp_path, "config", name, value)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    git(tmp_path, "tag", "v0.3.0")
    return tmp_path


def git(clone: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True, text=True).stdout.strip()


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.release", *arguments]
    return subprocess.run(command, cwd=clone, check=False, capture_output=True, text=True)


def test_a_release_dates_the_changelog_sets_the_version_commits_and_tags(clone: Path) -> None:
    answer = make(clone, "0.4.0")
    assert answer.returncode == 0, answer.stderr
    today = datetime.now(UTC).date().isoformat()
    text = (clone / "CHANGELOG.md").read_text()
    begin = (
        f"# Changelog\n\n## [Unreleased]\n\n## [0.4.0] - {today}\n\n### Added\n\n- A door.\n\n## [0.3.0] - 2026-01-31\n"
    )
    assert text.startswith(begin)
    assert (clone / "pyproject.toml").read_text().split("\n")[2:] == [
        'version = "0.4.0"',
        "",
        "[tool.x]",
        'version = "9"',
        "",
    ]
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "log", "-1", "--format=%s") == "Release 0.4.0"
    assert git(clone, "rev-parse", "v0.4.0^{commit}") == git(clone, "rev-parse", "HEAD")
    assert git(clone, "tag", "--list", "--format=%(contents)", "v0.4.0") == "0.4.0\n\n### Added\n\n- A door."


def test_the_first_release_may_be_the_version_that_is_there(clone: Path) -> None:
    git(clone, "tag", "--delete", "v0.3.0")
    release("0.3.0", root=clone)
    assert git(clone, "tag") == "v0.3.0"


@pytest.mark.parametrize("version", ["0.2.9", "0.3.0", "v0.4.0", "0.4", "00.4.0", "0.4.0-rc1", ""])
def test_a_version_that_is_none_or_not_new_is_refused(clone: Path, version: str) -> None:
    assert_refused(clone, version)


def test_a_dirty_tree_is_refused(clone: Path) -> None:
    (clone / "new.txt").write_text("not committed")
    with pytest.raises(Refused, match="not committed"):
        release("0.4.0", root=clone)
    assert git(clone, "tag") == "v0.3.0"


@pytest.mark.parametrize("code", ["x = {  'a':1 }\n", "import os\n"])
def test_failing_format_or_lint_is_refused(clone: Path, code: str) -> None:
    (clone / "careless.py").write_text(code)
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "Be careless")
    assert_refused(clone, "0.4.0")


@pytest.mark.parametrize(
    "text", ["# Changelog\n", "# Changelog\n\n## [Unreleased]\n\n## [0.3.0] - 2026-01-31\n\n- A wall.\n"]
)
def test_nothing_unreleased_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        dated_changelog(text, "0.4.0", "2026-02-01")


def test_a_hook_that_refuses_the_commit_leaves_everything_as_it_was(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert_refused(clone, "0.4.0")


def test_this_repository_can_be_released() -> None:
    assert UNRELEASED.search((ROOT / "CHANGELOG.md").read_text())
    assert CURRENT.search((ROOT / "pyproject.toml").read_text())


def assert_refused(clone: Path, version: str) -> None:
    before = git(clone, "rev-parse", "HEAD")
    answer = make(clone, version)
    assert answer.returncode == 1
    assert answer.stderr.startswith("No release: ")
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "tag")) == (before, "v0.3.0")
    assert git(clone, "status", "--porcelain") == ""
