"""The pictures: deterministic, exact in size, different from each other, and never a crash."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from sandbox.painter import paint, png
from sandbox.painter.brief import read
from sandbox.painter.scenes import SCENES
from sandbox.painter.typography import printable
from sandbox.ratios import SIZES

from .conftest import ROOT

ONE_PER_SCENE = {
    "abstract": "abstract geometric pattern",
    "city": "city skyline at night in the rain",
    "creature": "a cat under the full moon",
    "desert": "camels in the desert dunes",
    "forest": "a foggy pine forest with fireflies",
    "meadow": "sunflower field on a farm with a windmill",
    "mountains": "mountain peak with aurora and snow",
    "portrait": "portrait of a queen",
    "sea": "a sailboat and a lighthouse by the ocean",
    "space": "a ringed planet in a nebula, astronaut",
    "stilllife": "vase of flowers, fruit and a cup of coffee",
    "underwater": "coral reef with fish and jellyfish",
    "window": "cozy room with a cat, interior",
}


def test_every_scene_has_words_that_lead_to_it() -> None:
    assert set(ONE_PER_SCENE) == set(SCENES)
    assert {prompt: read(prompt, "1:1").scene for prompt in ONE_PER_SCENE.values()} == {
        prompt: scene for scene, prompt in ONE_PER_SCENE.items()
    }


def test_it_gives_the_same_bytes_in_another_process() -> None:
    code = """if True:
        import hashlib, sys
        from sandbox.painter import png
        print(hashlib.sha256(png(sys.argv[1], "3:4")).hexdigest())
    """
    prompt = "a fox in the autumn forest “Hush”"
    other = subprocess.run(
        [sys.executable, "-c", code, prompt],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == hashlib.sha256(png(prompt, "3:4")).hexdigest()


@pytest.mark.parametrize("ratio", SIZES)
def test_its_sizes_have_the_exact_ratio(ratio: str) -> None:
    width, height = SIZES[ratio]
    assert Fraction(width, height) == Fraction(*map(int, ratio.split(":")))
    assert paint("hills at dawn", ratio).size == (width, height)


def test_different_prompts_look_different() -> None:
    prompts = ["mountains at dawn", "mountains at dawn.", "mountains at night", "the sea", "zxqv", "zxqw"]
    small = [np.asarray(paint(prompt, "1:1").reduce(16), np.float32) for prompt in prompts]
    for i, one in enumerate(small):
        for other in small[i + 1 :]:
            assert np.abs(one - other).mean() > 4


@pytest.mark.parametrize(("scene", "ratio"), [*zip(ONE_PER_SCENE, itertools.cycle(("9:16", "16:9")), strict=False)])
def test_every_scene_fits_tall_or_wide_sheets(scene: str, ratio: str) -> None:
    picture = np.asarray(paint(ONE_PER_SCENE[scene], ratio), np.float32)
    assert picture.std() > 8
    assert np.isfinite(picture).all()


def test_quoted_words_change_the_picture() -> None:
    plain = np.asarray(paint("a poster about the sea", "1:1"), np.float32)
    assert read("a poster “Low Tide” about the sea", "1:1").quotes == ("Low Tide",)
    assert np.abs(np.asarray(paint("a poster “Low Tide” about the sea", "1:1"), np.float32) - plain).mean() > 1


@pytest.mark.parametrize(
    ("prompt", "quotes"),
    [
        ('say "Hello"', ("Hello",)),
        ("dis «Bonjour» et „Tag“", ("Bonjour", "Tag")),
        ("it's a dog's life", ()),
        ("a sign: 'open'", ("open",)),
        ('nothing ""', ()),
    ],
)
def test_it_finds_quotations_but_no_apostrophes(prompt: str, quotes: tuple[str, ...]) -> None:
    assert read(prompt, "1:1").quotes == quotes


def test_it_prints_what_the_font_can_and_drops_the_rest() -> None:
    assert printable("Été à Łódź — 静けさ") == "Ete a Lodz -"
    assert printable("静けさ🌙") == ""


@pytest.mark.parametrize("text", ["x" * 300, "word " * 60, "静けさ", "🌙", "A"])
def test_no_quotation_is_too_odd_to_set(text: str) -> None:
    paint(f"a calm lake “{text}”", "9:16")


@pytest.mark.parametrize("prompt", ["", "\x00", "🦊" * 4000, "[sandbox:jpeg]", "'\"«" * 1000])
def test_no_prompt_is_too_odd_to_paint(prompt: str) -> None:
    assert paint(prompt, "2:3").size == (832, 1248)


def test_a_negative_prompt_takes_things_away() -> None:
    assert read("a boat on the sea in the rain", "1:1").details >= {"rain"}
    without = read("a boat on the sea in the rain", "1:1", "rain, boats, boat")
    assert "rain" not in without.details
    assert "boat" not in without.subjects


def test_the_hour_outweighs_the_place() -> None:
    assert read("the desert at night", "1:1").palette.name == "night"
