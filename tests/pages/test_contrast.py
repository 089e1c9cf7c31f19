"""The accent keeps its contrast whatever hue an operator chooses, in both themes."""

import re
from itertools import product
from pathlib import Path

import pytest

from kit.accent import to_hex

TOKENS = (Path(__file__).parents[2] / "static/css/tokens.css").read_text()
BACKGROUNDS = ("paper", "surface", "sunken", "accent-wash")


def colour(token: str, theme: int, hue: int) -> str:
    """Return a token's colour in theme 0 (light) or 1 (dark)."""
    found = re.search(
        rf"--{token}: light-dark\((oklch\(.+?\)), (oklch\(.+?\))\);", TOKENS.replace("var(--accent-hue)", "H")
    )
    assert found, token
    lightness, chroma, angle = found[theme + 1].removeprefix("oklch(").removesuffix(")").split()
    return to_hex(float(lightness), float(chroma), hue if angle == "H" else float(angle))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("hue", [0, 20, 60, 100, 150, 200, 250, 274, 330])
def test_accent_text_and_buttons_are_read_at_every_hue(hue: int, theme: int) -> None:
    for accent, ground in product(("accent", "accent-strong"), BACKGROUNDS):
        assert contrast(colour(accent, theme, hue), colour(ground, theme, hue)) >= 4.5, (accent, ground)
    for accent in ("accent", "accent-strong"):
        assert contrast(colour("on-accent", theme, hue), colour(accent, theme, hue)) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_quiet_words_are_read_on_every_ground(theme: int) -> None:
    for ground in BACKGROUNDS[:3]:
        assert contrast(colour("ink-muted", theme, 274), colour(ground, theme, 274)) >= 4.5
