"""The operator's commands end as other tools do when their reader has seen enough, and at Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.environment import SERVERS

PACKAGES = ("accounts", "billing", "generator", "reveweb")
STAY = {"run", "schedule", "serve", "work"}  # they run until they are told to end
PERSON = "alice@example.com"
ARGUMENTS = {
    "doctor": ["--only", "disk"],  # the others ask servers
    "create_user": ["carol@example.com"],
    "create_api_key": [PERSON],
    "credits": [PERSON],
    "grant_credits": [PERSON, "2", "--reason", "test"],
    "restore": ["no-such-file.tar"],
    "revoke_api_key": ["rv_unknown0"],
}
# Starts Django once, and each command in a process of its own whose output nobody reads.
EACH = """
import json, os, sys, tempfile
import django
django.setup()
from django.core.management import call_command
from django.db import connection
import manage

nowhere = tempfile.TemporaryFile("w")
call_command("check", stdout=nowhere)  # imports what each of them looks at first
call_command("create_user", "alice@example.com", stdout=nowhere)
connection.close()
ended = {}
for number, arguments in enumerate(json.loads(sys.argv[1])):
    reader, writer = os.pipe()
    os.close(reader)
    with tempfile.TemporaryFile() as said:
        if (child := os.fork()) == 0:
            os.dup2(writer, 1)
            os.dup2(said.fileno(), 2)
            sys.argv = ["manage.py", *arguments]
            manage.main()
            sys.exit()
        _, status = os.waitpid(child, 0)
        os.close(writer)
        said.seek(0)
        ended[arguments[0]] = [os.waitstatus_to_exitcode(status), said.read().decode()]
print(json.dumps(ended))
"""


@pytest.fixture
def installation(tmp_path: Path, prepared_var: Path) -> dict[str, str]:
    """The environment of an installation with a database of its own."""
    shutil.copy(prepared_var / "reveweb.sqlite3", tmp_path)
    return {**os.environ, "VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "reveweb.settings"}


def start(*arguments: str, **named: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE, **named)


def commands_of_ours() -> set[str]:
    found = {path.stem for package in PACKAGES for path in (ROOT / package).glob("management/commands/[!_]*.py")}
    assert len(found) > 10
    return found - STAY


def test_every_command_ends_quietly_when_nobody_reads_on(installation: dict[str, str]) -> None:
    for server in SERVERS.values():  # the commands are processes of their own, which start none
        server.ensure()
    arguments = {**ARGUMENTS, "backup": [f"{installation['VAR_DIR']}/backup.tar"]}
    wanted = [[name, *arguments.get(name, [])] for name in sorted(commands_of_ours())]
    done = subprocess.run(
        [sys.executable, "-c", EACH, json.dumps(wanted)],
        cwd=ROOT,
        env=installation,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    ended = json.loads(done.stdout)
    status, said = ended.pop("restore")
    assert (status, said.partition(".")[0]) == (1, "CommandError: The database has 2 people, 2 entries of credits")
    assert ended.pop("revoke_api_key") == [1, "CommandError: No API key begins with rv_unknown0.\n"]
    assert {name: end for name, end in ended.items() if end != [141, ""]} == {}


def test_a_pipe_to_head_ends_quietly(installation: dict[str, str]) -> None:
    """Django's own commands come through the same door. This one prints more than a pipe holds."""
    words = "print('line\\n' * 200_000)"
    script = f'{sys.executable} manage.py shell -v 0 -c "{words}" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=installation, capture_output=True, text=True, timeout=240
    )
    assert (done.stdout, done.stderr) == ("line\n141\n", "")


def test_an_error_that_nobody_reads_is_as_quiet(installation: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "manage.py", "credits", "nobody@example.com"]
    done = subprocess.run(command, cwd=ROOT, env=installation, stdout=subprocess.PIPE, stderr=writer, timeout=240)
    os.close(writer)
    assert (done.returncode, done.stdout) == (141, b"")


def test_ctrl_c_ends_a_command_without_a_traceback(installation: dict[str, str]) -> None:
    words = "import time; print('begun', flush=True); time.sleep(60)"
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a shell's background job is deaf to
    process = start("shell", "-v", "0", "-c", words, env=installation, stdout=subprocess.PIPE, preexec_fn=heard)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=100)[1], process.returncode) == ("", 130)


def test_a_connection_that_broke_is_no_closed_pipe(installation: dict[str, str]) -> None:
    process = start("shell", "-v", "0", "-c", "raise BrokenPipeError('a server hung up')", env=installation)
    said = process.communicate(timeout=100)[1]
    assert (process.returncode, "a server hung up" in said) == (1, True)
