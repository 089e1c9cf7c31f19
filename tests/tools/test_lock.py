"""`make lock`: what it reports, and that the pins that are committed are in the form it makes."""

import re
from pathlib import Path

import pytest
from packaging.version import Version

from tests import ROOT
from tools import lock

BEFORE = """\
alpha==1.2.0 \\
    --hash=sha256:aa
beta==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:bb
    # via alpha
delta-x==3.1 \\
    --hash=sha256:cc
omega==0.9 \\
"""
AFTER = """\
alpha==1.10.0 \\
beta==3.0 ; sys_platform == 'win32' \\
gamma==2026.1 \\
omega==0.8 \\
"""


def test_a_report_names_what_came_went_rose_and_fell() -> None:
    report = lock.report(lock.pins(BEFORE), lock.pins(AFTER))
    assert report.split("\n  ")[1:] == [
        "↑ alpha 1.2.0 → 1.10.0",
        "↑ beta 2.0 → 3.0 (a major version)",
        "- delta-x 3.1",
        "+ gamma 2026.1",
        "↓ omega 0.9 → 0.8",
    ]


def test_no_change_is_said_too() -> None:
    assert lock.report(lock.pins(BEFORE), lock.pins(BEFORE)) == " nothing changed"


@pytest.fixture
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest and a `uv` that, as the real one does, hides what is younger than the cool-down."""
    uv = tmp_path / "uv"
    uv.write_text(
        "#!/bin/sh\n"
        'echo "$@" >> calls\n'
        "for last; do :; done\n"
        'case "$*" in *"--exclude-newer-package=alpha"*) echo "alpha==2.0" ;; *) echo "alpha==1.0" ;; esac > "$last"\n'
    )
    uv.chmod(0o755)
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    monkeypatch.setattr(lock, "UV", [str(uv)])
    monkeypatch.setattr(lock, "MANIFESTS", ["requirements"])
    return tmp_path


def test_a_young_pin_stays(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (manifests / "requirements.txt").write_text("alpha==2.0\n")
    assert lock.main([]) == 0
    assert lock.pins((manifests / "requirements.txt").read_text()) == {"alpha": Version("2.0")}
    assert capsys.readouterr().out == "requirements.txt: nothing changed\n"


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        ([], ["--exclude-newer=7 days"]),
        (["--upgrade"], ["--upgrade", "--exclude-newer=7 days"]),
        (["--package", "alpha"], ["--upgrade-package=alpha", "--exclude-newer=7 days"]),
        (["--package", "alpha", "--cooldown", "0 days"], ["--upgrade-package=alpha", "--exclude-newer=0 days"]),
    ],
)
def test_only_what_was_asked_for_is_renewed(manifests: Path, arguments: list[str], passed: list[str]) -> None:
    (manifests / "requirements.txt").write_text("alpha==1.0\n")
    assert lock.main(arguments) == 0
    call = (manifests / "calls").read_text().strip()
    assert call.endswith(" ".join([*lock.FORM, *passed, "requirements.in --output-file requirements.txt"]))


def test_what_binds_is_pinned_before_what_is_bound() -> None:
    assert (lock.MANIFESTS[0], lock.MANIFESTS[-1]) == ("requirements", "requirements-dev")


@pytest.mark.parametrize("name", lock.MANIFESTS)
def test_what_is_committed_has_hashes_and_names_no_index(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)


@pytest.mark.parametrize("folder", ["tools/biome", "tools/openapi", "benchmarks/lighthouse", "benchmarks/portkey"])
def test_what_comes_from_npm_names_no_registry(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert '"integrity"' in text
