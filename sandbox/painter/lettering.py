"""Type: the words that a prompt quotes, set on the picture; and a word that is the whole picture."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sandbox.painter.colour import WHITE, Array, luminance, mix, rgb, shade
from sandbox.painter.noise import enlarge
from sandbox.painter.sheet import Sheet

_MAX_LETTERS = 180
_LEADING = 1.2
_TIDY = str.maketrans(
    {"–": "-", "—": "-", "‐": "-", "…": "...", "\u00a0": " ", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE",
     "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)  # fmt: skip


def set_quotes(s: Sheet) -> None:
    """Set the prompt's quoted words, if the font has letters for any of them."""
    texts = [text[:_MAX_LETTERS] for text in map(printable, s.brief.quotes[:3]) if text]
    if texts:
        _Setting(s, texts[0], texts[1:]).paint(s, _calmest(s))


def printable(text: str) -> str:
    """Return what the font can print: accents dropped where it lacks them, unknown letters left out."""
    letters: list[str] = []
    for letter in " ".join(text.translate(_TIDY).split()):
        letters += letter if _has(letter) else filter(_has, unicodedata.normalize("NFKD", letter))
    return " ".join("".join(letters).split())


@lru_cache(maxsize=4096)
def _has(letter: str) -> bool:
    font = _font(20)
    missing = bytes(font.getmask(letter)) == bytes(font.getmask("\uffff"))
    return letter == " " or (not missing and font.getbbox(letter)[2] > 0)


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType")
    return font


def _calmest(s: Sheet) -> float:
    """Return the centre (share of the height) of the calmest of three bands, where type reads best."""
    busy = np.abs(np.diff(s.pixels[:, ::4, ::4].mean(axis=0), axis=1)).mean(axis=1)
    n = len(busy)

    def unrest(band: tuple[float, float]) -> float:
        centre, dislike = band
        return float(busy[int((centre - 0.14) * n) : int((centre + 0.14) * n)].mean()) * dislike

    return min(((0.2, 0.8), (0.5, 1.5), (0.8, 1.1)), key=unrest)[0]


class _Setting:
    """Lines broken and sized to fit: a title, and a smaller line or two under it."""

    def __init__(self, s: Sheet, title: str, rest: list[str]) -> None:
        short = len(title) <= 34
        self.spacing = 0.16 if len(title) <= 16 else 0.08 if short else 0.015
        self.weight = 0.022 if short else 0.0
        text, width = title.upper() if short else title, s.w * 0.82
        self.size = int((170 if len(text) <= 8 else 132) * s.u)
        while True:
            lines = _wrap(text, self.size, width, self.spacing)
            widest = max(_width(line, self.size, self.spacing) for line in lines)
            if self.size <= 16 or (widest <= width and len(lines) * self.size * _LEADING <= s.h * 0.3):
                break
            self.size = int(self.size * 0.93)
        self.lines = _balanced(text, self.size, width, self.spacing, lines)
        self.small = max(int(self.size * 0.36), int(17 * s.u))
        self.rest = [line for text in rest for line in _wrap(text, self.small, s.w * 0.8, 0.06)][:3]

    def paint(self, s: Sheet, centre: float) -> None:
        """Lay the type on the sheet, centred at the share `centre` of its height."""
        paper = Image.new("L", (s.w, s.h))
        draw = ImageDraw.Draw(paper)
        tall = len(self.lines) * self.size * _LEADING + len(self.rest) * self.small * 1.5
        y = top = max(s.h * centre - tall / 2 - (self.small / 2 if self.rest else 0), s.h * 0.05)
        for line in self.lines:
            _draw(draw, line, s.w / 2, y, self.size, self.spacing, self.weight)
            y += self.size * _LEADING
        y += self.small * 0.6
        for line in self.rest:
            _draw(draw, line, s.w / 2, y, self.small, 0.06)
            y += self.small * 1.5
        mask = np.asarray(paper, np.float32) / np.float32(255)
        behind = s.pixels[:, int(top) : int(max(y, top + 8))]
        grey = behind[:, ::4, ::4].mean(axis=0)
        busy = float(grey.std()) > 0.15 and float(np.abs(np.diff(grey, axis=1)).mean()) > 0.03
        if busy or s.brief.scene in ("pattern", "abstract"):
            widest = max(_width(line, self.size, self.spacing) for line in self.lines)
            ink = _label(s, top - self.size * 0.5, y + self.size * 0.3, widest + self.size * 1.7)
        elif luminance(behind.mean(axis=(1, 2))) > 0.66:
            ink = shade(s.palette.near, min(-0.02, 0.3 - luminance(s.palette.near)))
            s.blend(_halo(mask, self.size), mix(s.palette.sky[-1], WHITE, 0.4))
        else:
            ink = mix(s.palette.sun, WHITE, 0.55)
            s.blend(_halo(mask, self.size), shade(mix(s.palette.near, rgb("#000000"), 0.35), -0.02))
        s.blend(mask, ink)


def _balanced(text: str, size: int, width: float, spacing: float, lines: list[str]) -> list[str]:
    """Return the lines broken as evenly as their number allows, so that no word is left alone."""
    best, count = lines, len(lines)
    while width > size * 4 and len(lines) <= count:
        best, width = lines, width * 0.95
        lines = _wrap(text, size, width, spacing)
    return best


def _label(s: Sheet, top: float, bottom: float, width: float) -> Array:
    """Paste a paper label with a thin rule under the type; return the ink that reads on it."""
    inks, left = sorted(s.palette.inks, key=luminance), max((s.w - width) / 2, s.w * 0.05)
    for inset, tone in ((0.0, inks[-1]), (8.0 * s.u, inks[0]), (10.5 * s.u, inks[-1])):
        s.box(left + inset, top + inset, s.w - left - inset, bottom - inset, tone)
    return inks[0]


def _halo(mask: Array, size: int) -> Array:
    """Return a wide soft shade around the letters, so that they read on any ground without a box."""
    small = Image.fromarray((mask * 255).astype(np.uint8)).reduce(8)
    blurred = np.asarray(small.filter(ImageFilter.GaussianBlur(size / 20)), np.float32)
    result: Array = np.clip(enlarge(blurred / np.float32(212), *mask.shape, smooth=False), 0, 0.42)
    return result


def _width(text: str, size: int, spacing: float) -> float:
    return _font(size).getlength(text) + size * spacing * max(len(text) - 1, 0)


def _wrap(text: str, size: int, width: float, spacing: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}", size, spacing) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [piece for line in lines for piece in _break(line, size, width, spacing)]


def _break(line: str, size: int, width: float, spacing: float) -> list[str]:
    """Break a single word that no line could hold, but only where shrinking further would make it unreadable."""
    if size > 40 or _width(line, size, spacing) <= width:
        return [line]
    share = max(1, int(len(line) * width / _width(line, size, spacing)))
    return [line[i : i + share] for i in range(0, len(line), share)]


def _draw(
    draw: ImageDraw.ImageDraw, text: str, middle: float, y: float, size: int, spacing: float, weight: float = 0.0
) -> None:
    font, x = _font(size), middle - _width(text, size, spacing) / 2
    for index, letter in enumerate(text):
        draw.text((x, y), letter, fill=255, font=font, stroke_width=size * weight)
        # Measured as a pair, so that kerning survives letterspacing.
        pair = text[index : index + 2]
        x += font.getlength(pair) - (font.getlength(pair[1]) if len(pair) > 1 else 0) + size * spacing


def specimen(s: Sheet) -> None:
    """Make a picture of a word: set again and again down the sheet, each line in another ink."""
    inks = sorted(s.palette.inks, key=luminance, reverse=True)
    tones = [ink for ink in (*s.brief.colours, *inks) if luminance(inks[0]) - luminance(ink) > 0.2] or [s.palette.near]
    text, size = printable(s.brief.words[0]).upper() or "O", 40
    s.fill(inks[0], inks[0])
    while _width(text, size, 0.0) < s.w * 0.9 and size < s.h * 0.62:
        size = int(size * 1.06) + 1
    rows = max(2, round(s.h * 0.86 / (size * 0.82)))
    left, top, right, bottom = _font(size).getbbox(text, stroke_width=size * 0.03)
    for row in range(rows):
        paper, y = Image.new("L", (s.w, s.h)), s.h * (0.06 + 0.88 * (row + 0.5) / rows)
        corner = (s.w / 2 - (left + right) / 2, y - (top + bottom) / 2)
        ImageDraw.Draw(paper).text(corner, text, fill=255, font=_font(size), stroke_width=size * 0.03)
        mask, tone = np.asarray(paper, np.float32) / np.float32(255), tones[row % len(tones)]
        s.blend(mask, tone)
        s.shade((mask, 0, 0), mix(tone, inks[0], 0.45), -1.0 if row % 2 else 1.0, 0.7)
