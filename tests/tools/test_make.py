"""`make help`, and that the Makefile keeps its promise of one sentence for each target."""

import re
import subprocess

from tests import ROOT


def test_make_alone_lists_every_target() -> None:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    answer = subprocess.run(["make"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    listed = re.findall(r"^  ([a-z-]+) +(\S.*)$", answer, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert sorted(name for name, _ in listed) == sorted(phony[1].split())
