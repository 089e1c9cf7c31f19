"""Settings come from the environment, are all documented, and say plainly what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import ROOT

SOURCES = [path.read_text() for path in (ROOT / "reveweb" / "settings").glob("*.py")]
VARIABLES = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', "".join(SOURCES)))


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"], "ENV_FILE": ""}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=60)


def test_every_variable_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert len(VARIABLES) > 30
    assert {name for name in VARIABLES if f"`{name}`" not in text} == set()


def test_every_variable_is_in_the_example_file() -> None:
    text = (ROOT / ".env.example").read_text()
    assert {name for name in VARIABLES if not re.search(rf"^#{name}=", text, re.MULTILINE)} == set()


def test_production_names_the_secret_it_misses() -> None:
    answer = manage("check", REVE_API_KEY="live")
    assert answer.returncode == 1
    assert answer.stderr.startswith("reveweb: SECRET_KEY is not set")
    assert answer.stderr.count("\n") == 1


def test_production_refuses_a_placeholder_secret() -> None:
    answer = manage("check", REVE_API_KEY="live", SECRET_KEY="changeme")
    assert answer.returncode == 1
    assert "SECRET_KEY" in answer.stderr


def test_a_value_of_the_wrong_kind_is_one_line_naming_the_variable() -> None:
    answer = manage("check", PORT="eight thousand")
    assert (answer.returncode, answer.stderr) == (1, "reveweb: PORT must be a whole number; it is 'eight thousand'.\n")


def test_a_sandbox_makes_a_secret_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from django.conf import settings; print(settings.SECRET_KEY)"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ENV_FILE": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "reveweb.settings"
    first, again = (subprocess.check_output(command, cwd=ROOT, env=environment, text=True).strip() for _ in range(2))
    assert first == again == (tmp_path / "secret-key").read_text()
    assert len(first) > 50
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_a_blank_value_is_none(tmp_path: Path) -> None:
    blank = dict.fromkeys(VARIABLES - {"VAR_DIR"}, " ")
    names = "{n: str(getattr(settings, n)) for n in dir(settings) if n.isupper()}"
    command = [sys.executable, "-c", f"from django.conf import settings; print({names})"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ENV_FILE": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "reveweb.settings"
    unset, left_blank = (
        subprocess.check_output(command, cwd=ROOT, env=environment | more, text=True) for more in ({}, blank)
    )
    assert re.sub(r"at 0x\w+", "", unset) == re.sub(r"at 0x\w+", "", left_blank)
