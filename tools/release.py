"""`make release VERSION=1.2.3`: turn what the changelog calls Unreleased into a release.

In this order, and nothing is changed before all of the first three hold:

1. The version is a new one: of three numbers, not below the current one, without a tag.
2. The tree is clean and the changelog has something under Unreleased.
3. Format and lint pass. (Whether `make test` does is for CI to say of the commit that is to be released.)
4. The changelog's section gets its version and today's date, under a new and empty Unreleased.
5. pyproject.toml gets the version, from where the product reads it.
6. Both are committed and tagged, with the section as the tag's message. Pushing is left to whoever ran this.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUFF = str(Path(sys.executable).with_name("ruff"))
CHECKS = ([RUFF, "format", "--check", "--quiet", "."], [RUFF, "check", "--quiet", "."])
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
CURRENT = re.compile(r'^version = "([\d.]+)"$', re.MULTILINE)
UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class Refused(Exception):
    """There will be no release, and the message says why. Nothing was changed."""


def main(arguments: Sequence[str]) -> int:
    """Make the release, or say why not. Returns the exit status."""
    if len(arguments) != 1:
        print("Name the version: make release VERSION=1.2.3", file=sys.stderr)
        return 2
    try:
        release(arguments[0])
    except Refused as refusal:
        print(f"No release: {refusal}", file=sys.stderr)
        return 1
    print(f"Released {arguments[0]}. Publish it with: git push --follow-tags")
    return 0


def release(version: str, *, root: Path = ROOT) -> None:
    """Release what `root` holds as `version`. Raises Refused."""
    manifest, changelog = root / "pyproject.toml", root / "CHANGELOG.md"
    _check_version(version, manifest.read_text(), root)
    if _git(root, "status", "--porcelain"):
        raise Refused("there are changes that are not committed.")
    dated, notes = dated_changelog(changelog.read_text(), version, datetime.now(UTC).date().isoformat())
    for check in CHECKS:
        if subprocess.run(check, cwd=root, check=False).returncode:
            raise Refused("format or lint fails; make format fixes what it can.")
    changelog.write_text(dated)
    manifest.write_text(CURRENT.sub(f'version = "{version}"', manifest.read_text(), count=1))
    try:
        _git(root, "commit", "--quiet", "--message", f"Release {version}", manifest.name, changelog.name)
    except Refused:  # by a hook, say
        _git(root, "checkout", "--quiet", "HEAD", "--", manifest.name, changelog.name)
        raise
    # Headings of the section begin with #, which Git would take for comments.
    _git(root, "tag", "--annotate", "--cleanup=whitespace", f"v{version}", "--message", f"{version}\n\n{notes}")


def dated_changelog(text: str, version: str, date: str) -> tuple[str, str]:
    """Return the changelog with its Unreleased section named and dated, and that section's text. Raises Refused."""
    section = UNRELEASED.search(text)
    if section is None:
        raise Refused("CHANGELOG.md has no section called [Unreleased].")
    notes = section[1].strip()
    if not re.search(r"^- ", notes, re.MULTILINE):
        raise Refused("CHANGELOG.md says nothing under [Unreleased].")
    named = f"## [Unreleased]\n\n## [{version}] - {date}\n\n{notes}\n"
    rest = text[section.end() :]
    return text[: section.start()] + named + (f"\n{rest}" if rest else ""), notes


def _check_version(version: str, manifest: str, root: Path) -> None:
    if not VERSION.fullmatch(version):
        raise Refused(f"{version!r} is no version like 1.2.3.")
    found = CURRENT.search(manifest)
    if found is None:
        raise Refused("pyproject.toml has no version.")
    if _numbers(version) < _numbers(found[1]):
        raise Refused(f"{version} is older than {found[1]}.")
    if _git(root, "tag", "--list", f"v{version}"):
        raise Refused(f"there is a tag v{version} already.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=root, check=False, capture_output=True, text=True)
    if answer.returncode:
        raise Refused(f"git {arguments[0]} failed: {answer.stderr.strip()}")
    return answer.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
