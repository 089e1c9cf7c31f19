"""What `make run` starts is healthy."""

import json
import subprocess
import sys

import pytest

from tests import ROOT
from tests.installation import Stack

pytestmark = pytest.mark.stack


def test_the_default_installation_is_healthy(stack: Stack) -> None:
    command = [sys.executable, "manage.py", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, timeout=120)
    told = json.loads(done.stdout)
    assert [each for each in told["findings"] if each["level"] in ("warning", "fault")] == []
    assert (done.returncode, done.stderr) == (0, "")
