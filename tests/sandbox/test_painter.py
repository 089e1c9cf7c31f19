"""The pictures: deterministic, exact in size, different from each other, never a wrong thing and never a crash.

Most are painted small: the layers, the words and the colours are the same at any size.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.painter import asked
from sandbox.painter import SCENES, brief, lettering, paint, png
from sandbox.painter.brief import read
from sandbox.painter.lettering import printable
from sandbox.painter.shapes import figures
from sandbox.ratios import SIZES

from .conftest import ROOT

TENT = "an orange tent under northern lights, the word “WILD”"
SMALL = {ratio: (width // 4, height // 4) for ratio, (width, height) in SIZES.items()}
ONE_PER_SCENE = {
    "abstract": "a steampunk octopus",
    "city": "city skyline at night in the rain",
    "forest": "a foggy pine forest with fireflies",
    "hero": "a wolf under the full moon",
    "landscape": "a sailboat and a lighthouse by the ocean",
    "pattern": "geometric pattern",
    "portrait": "portrait of a queen",
    "room": "cozy room with a cat, interior",
    "space": "a ringed planet in a nebula, astronaut",
    "stilllife": "a vase of flowers, a lemon and a cup of coffee",
    "underwater": "coral reef with fish and jellyfish",
}


def small(prompt: str, ratio: str = "1:1") -> NDArray[np.float32]:
    return np.asarray(paint(prompt, ratio, size=SMALL[ratio]), np.float32)


def named(prompt: str) -> tuple[str, set[str]]:
    found = read(prompt, "1:1")
    return found.scene, {thing.name for thing in found.things}


def test_every_scene_has_words_that_lead_to_it() -> None:
    assert {scene: read(prompt, "1:1").scene for scene, prompt in ONE_PER_SCENE.items()} == {s: s for s in SCENES}


def test_it_gives_the_same_bytes_in_another_process_whatever_the_hash_seed() -> None:
    code = """if True:
        import hashlib, sys
        from sandbox.painter import png
        print(hashlib.sha256(png(sys.argv[1], "3:4")).hexdigest())
    """
    other = subprocess.run(
        [sys.executable, "-c", code, TENT],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == hashlib.sha256(png(TENT, "3:4")).hexdigest()


def test_its_png_holds_the_very_pixels() -> None:
    picture = paint("hills at dawn", "1:1")
    with Image.open(io.BytesIO(png("hills at dawn", "1:1"))) as read_back:
        assert (read_back.format, read_back.mode, read_back.info["Software"]) == ("PNG", "RGB", "reveweb sandbox")
        assert read_back.tobytes() == picture.tobytes()


@pytest.mark.parametrize("ratio", SIZES)
def test_its_sizes_have_the_exact_ratio(ratio: str) -> None:
    width, height = SIZES[ratio]
    assert Fraction(width, height) == Fraction(*map(int, ratio.split(":")))
    assert paint("zxqv", ratio).size == (width, height)


def test_different_prompts_and_turns_look_different() -> None:
    prompts = [
        "mountains at dawn",
        "mountains at dawn.",
        "mountains at night",
        "the sea",
        "zxqv vqxz zv",
        "zxqw vqxz zv",
    ]
    pictures = [small(prompt) for prompt in prompts]
    pictures.append(np.asarray(paint(prompts[0], "1:1", variation=1, size=SMALL["1:1"]), np.float32))
    for one, other in itertools.combinations(pictures, 2):
        assert np.abs(one - other).mean() > 4


@pytest.mark.parametrize("ratio", ["9:16", "16:9"])
@pytest.mark.parametrize("scene", ONE_PER_SCENE)
def test_every_scene_fits_tall_and_wide_sheets(scene: str, ratio: str) -> None:
    picture = small(ONE_PER_SCENE[scene], ratio)
    assert picture.shape == (*SMALL[ratio][::-1], 3)
    assert picture.std() > 8


def test_an_orange_tent_is_a_tent_in_orange() -> None:
    found = read(TENT, "1:1")
    assert [(thing.name, thing.count) for thing in found.things] == [("tent", 1)]
    assert (found.palette.name, found.quotes, found.has("aurora")) == ("aurora", ("WILD",), True)
    red, green, blue = np.moveaxis(np.asarray(paint(TENT, "1:1"), np.int16), -1, 0)
    assert ((red > 150) & (green > 70) & (green < 190) & (blue < 110)).sum() > 200  # the tent is the only orange thing


@pytest.mark.parametrize(
    ("prompt", "scene", "things"),
    [
        ("a single pear on grey linen", "stilllife", {"pear"}),
        ("two oranges and a lemon", "stilllife", {"orange", "lemon"}),
        ("a lighthouse keeper's kitchen, a copper kettle", "room", {"kettle"}),
        ("a photo of a fox in the snow", "hero", {"fox"}),
        ("a herd of elephants", "landscape", {"elephant"}),
        ("the skull of a horse", "abstract", set()),
        ("the smell of the sea", "abstract", set()),
        ("a mountain bike", "abstract", set()),
        ("an owl café", "abstract", set()),
        ("a hot dog", "abstract", set()),
        ("portrait of a tiger", "abstract", set()),
        ("a sandwich on a table", "abstract", set()),
        ("forest without a fox", "forest", set()),
        ("Quarterly revenue dashboard for a fintech startup", "abstract", set()),
        ("山と海の夕暮れ", "abstract", set()),
    ],
)
def test_it_draws_what_is_named_for_certain_and_else_an_abstract(prompt: str, scene: str, things: set[str]) -> None:
    assert named(prompt) == (scene, things)


def test_it_counts() -> None:
    counts = {thing.name: thing.count for thing in read("three camels and a tent, two lanterns", "1:1").things}
    assert counts == {"camel": 3, "tent": 1, "lantern": 2}


def test_an_abstract_has_the_colours_of_its_words() -> None:
    red, green, blue = small("an unheard-of thing of moss").mean(axis=(0, 1))
    assert green > blue + 8
    red, green, blue = small("an unheard-of crimson whatsit").mean(axis=(0, 1))
    assert red > green + 8


def test_every_thing_of_the_lexicon_can_be_drawn() -> None:
    grown = {"pine", "tree", "blossomtree", "flock", "planet"}  # drawn by code
    assert {brief.Thing(name).figure for name in brief._LEXICON["things"]} - grown <= set(figures())


def test_quoted_words_are_set_on_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four light letters stand apart in the middle of the sheet, and nothing else differs but the shade around them."""
    lettered = np.asarray(paint("a calm lake at night “WILD”", "1:1").convert("L"), np.int16)
    monkeypatch.setattr(lettering, "set_quotes", lambda sheet: None)
    plain = np.asarray(paint("a calm lake at night “WILD”", "1:1").convert("L"), np.int16)
    ink = (lettered - plain > 60) & (lettered > 200)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert 60 < np.ptp(rows) < 220
    assert 300 < np.ptp(columns) < 850
    assert abs(columns.mean() - 512) < 60
    assert (np.diff(ink.any(axis=0).astype(np.int8)) == 1).sum() == 4  # W, I, L, D


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
    small(f"a calm lake “{text}”", "9:16")


@pytest.mark.parametrize("prompt", ["", "\x00", "🦊" * 4000, "[sandbox:jpeg]", "'\"«" * 1000, "no", "“”", "\ud800"])
def test_no_prompt_is_too_odd_to_paint(prompt: str) -> None:
    assert small(prompt, "2:3").shape == (312, 208, 3)


def test_it_refuses_none_of_the_benchmark_s_prompts() -> None:
    for prompt, ratio in asked():
        assert small(prompt, ratio).std() > 8


def test_a_negative_prompt_takes_things_away() -> None:
    assert read("a boat on the sea in the rain", "1:1").details >= {"rain"}
    without = read("a boat on the sea in the rain", "1:1", "rain, boats, boat")
    assert "rain" not in without.details
    assert not without.things


def test_the_hour_outweighs_the_place() -> None:
    assert read("the desert at night", "1:1").palette.name == "night"
