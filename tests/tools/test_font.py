"""`make font`: the face in the repository is the one that its tool cuts, with its licence, and has what pages print."""

import re

import pytest
from fontTools.ttLib import TTFont

from tests import ROOT
from tools import font

FACE = font.FOLDER / "inter.woff2"
# What is drawn in the face for code, or only ever in a comment.
ELSEWHERE = set("─│└┴")


def test_the_face_is_what_its_tool_makes_of_the_pinned_package() -> None:
    assert font.cut() == FACE.read_bytes()
    assert (font.FOLDER / "inter-LICENSE.txt").read_bytes() == font.LICENCE.read_bytes()


def test_it_has_every_sign_that_pages_print() -> None:
    known = set(TTFont(FACE).getBestCmap())
    sources = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("reveweb/docs/pages/*.md"), *ROOT.glob("static/js/*.js")]
    printed = set().union(*(path.read_text() for path in sources)) - ELSEWHERE - {"\n"}
    assert len(sources) > 100
    assert {sign for sign in printed if ord(sign) not in known} == set()


def test_it_has_every_weight_that_the_styles_ask_for() -> None:
    weight = {axis.axisTag: axis for axis in TTFont(FACE)["fvar"].axes}["wght"]
    styles = "".join(path.read_text() for path in ROOT.glob("static/css/*.css"))
    asked = {int(one) for one in re.findall(r"font-weight: (\d+);", styles)}
    assert len(asked) > 5
    assert weight.minValue <= min(asked)
    assert max(asked) <= weight.maxValue


@pytest.mark.parametrize("weight", font.PRINT_WEIGHTS)
def test_the_face_of_statements_is_the_one_that_the_pinned_package_gives(weight: int) -> None:
    assert (font.PRINT_FOLDER / f"inter-{weight}.ttf").read_bytes() == font.cut_for_print(weight)
