"""Type: the words that a prompt quotes, set on the picture; and a word that is the whole picture."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, luminance, mix, rgb, shade
from sandbox.painter.noise import Rng, enlarge

_MAX_LETTERS = 180
_LEADING = 1.2
_TIDY = str.maketrans(
    {"–": "-", "—": "-", "‐": "-", "…": "...", "\u00a0": " ", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE",
     "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)  # fmt: skip


def set_quotes(canvas: Canvas, brief: Brief) -> None:
    """Set the prompt's quoted words, if the font has letters for any of them."""
    texts = [text[:_MAX_LETTERS] for text in map(printable, brief.quotes[:3]) if text]
    if texts:
        _Setting(canvas, texts[0], texts[1:]).paint(canvas, brief, _calmest(canvas))


def printable(text: str) -> str:
    """Return what the font can print: accents dropped where it lacks them, unknown letters left out."""
    letters = []
    for letter in " ".join(text.translate(_TIDY).split()):
        if _has(letter):
            letters.append(letter)
            continue
        letters.extend(part for part in unicodedata.normalize("NFKD", letter) if _has(part))
    return " ".join("".join(letters).split())


@lru_cache(maxsize=4096)
def _has(letter: str) -> bool:
    if letter == " ":
        return True
    font = _font(20)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff")) and font.getbbox(letter)[2] > 0


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType")
    return font


def _calmest(canvas: Canvas) -> float:
    """Return the centre (share of the height) of the calmest of three bands, where type reads best."""
    grey = canvas.pixels[:, ::4, ::4].mean(axis=0)
    busy = np.abs(np.diff(grey, axis=1)).mean(axis=1)
    height = len(busy)
    scores = {
        centre: float(busy[int((centre - 0.14) * height) : int((centre + 0.14) * height)].mean()) * dislike
        for centre, dislike in ((0.2, 0.8), (0.5, 1.5), (0.8, 1.1))
    }
    return min(scores, key=lambda centre: scores[centre])


class _Setting:
    """Lines broken and sized to fit: a title, and a smaller line or two under it."""

    def __init__(self, canvas: Canvas, title: str, rest: list[str]) -> None:
        short = len(title) <= 34
        self.spacing = 0.16 if len(title) <= 16 else 0.08 if short else 0.015
        text = title.upper() if short else title
        self.weight = 0.022 if short else 0.0
        self.size, self.lines = self._fit(text, canvas.width * 0.82, canvas.height * 0.3, canvas.unit)
        self.small = max(int(self.size * 0.36), int(17 * canvas.unit))
        self.rest = [line for text in rest for line in _wrap(text, self.small, canvas.width * 0.8, 0.06)][:3]

    def _fit(self, text: str, width: float, height: float, unit: float) -> tuple[int, list[str]]:
        size = int((170 if len(text) <= 8 else 132) * unit)
        while True:
            lines = _wrap(text, size, width, self.spacing)
            widest = max(_width(line, size, self.spacing) for line in lines)
            if size <= 16 or (widest <= width and len(lines) * size * _LEADING <= height):
                return size, _balanced(text, size, width, self.spacing, len(lines))
            size = int(size * 0.93)

    def paint(self, canvas: Canvas, brief: Brief, centre: float) -> None:
        """Lay the type on the canvas, centred at the share `centre` of its height."""
        sheet = Image.new("L", (canvas.width, canvas.height))
        draw = ImageDraw.Draw(sheet)
        tall = len(self.lines) * self.size * _LEADING + len(self.rest) * self.small * 1.5 + (self.small if self.rest else 0)
        y = max(canvas.height * centre - tall / 2, canvas.height * 0.05)
        top = int(y)
        for line in self.lines:
            _draw(draw, line, canvas.width / 2, y, self.size, self.spacing, self.weight)
            y += self.size * _LEADING
        y += self.small * 0.6
        for line in self.rest:
            _draw(draw, line, canvas.width / 2, y, self.small, 0.06)
            y += self.small * 1.5
        mask = np.asarray(sheet, np.float32) / np.float32(255)
        ink, halo = _inks(canvas, brief, top, int(y))
        if brief.scene in ("pattern", "abstract") or _busy(canvas, top, int(y)):
            widest = max(_width(line, self.size, self.spacing) for line in self.lines)
            ink = _label(canvas, brief, top - self.size * 0.5, y + self.size * 0.3, widest + self.size * 1.7)
        else:
            canvas.blend(_halo(mask, self.size), halo)
        canvas.blend(mask, ink)


def _balanced(text: str, size: int, width: float, spacing: float, count: int) -> list[str]:
    """Return the lines broken as evenly as their number allows, so that no word is left alone."""
    lines = _wrap(text, size, width, spacing)
    while width > size * 4:
        width *= 0.95
        narrower = _wrap(text, size, width, spacing)
        if len(narrower) > count:
            return lines
        lines = narrower
    return lines


def _inks(canvas: Canvas, brief: Brief, top: int, bottom: int) -> tuple[Array, Array]:
    band = canvas.pixels[:, top : max(bottom, top + 4)].mean(axis=(1, 2))
    if luminance(band.astype(np.float32)) > 0.66:
        return shade(brief.palette.near, -0.02), mix(brief.palette.sky[-1], rgb("#ffffff"), 0.4)
    return mix(brief.palette.sun, rgb("#ffffff"), 0.55), shade(mix(brief.palette.near, rgb("#000000"), 0.35), -0.02)


def _busy(canvas: Canvas, top: int, bottom: int) -> bool:
    """Say whether letters would drown in what is behind them."""
    grey = canvas.pixels[:, top : max(bottom, top + 8) : 4, ::4].mean(axis=0)
    return float(grey.std()) > 0.15 and float(np.abs(np.diff(grey, axis=1)).mean()) > 0.03


def _label(canvas: Canvas, brief: Brief, top: float, bottom: float, width: float) -> Array:
    """Paste a paper label with a thin rule under the type; return the ink that reads on it."""
    inks = sorted(brief.palette.inks, key=luminance)
    left = max((canvas.width - width) / 2, canvas.width * 0.05)
    for inset, tone in ((0.0, inks[-1]), (8.0, inks[0]), (10.5, inks[-1])):
        d = inset * canvas.unit
        canvas.polygons([[(left + d, top + d), (canvas.width - left - d, top + d), (canvas.width - left - d, bottom - d), (left + d, bottom - d)]], tone)
    return inks[0]


def _halo(mask: Array, size: int) -> Array:
    """Return a wide soft shade around the letters, so that they read on any ground without a box."""
    step = 8
    small = Image.fromarray((mask * 255).astype(np.uint8)).reduce(step)
    blurred = small.filter(ImageFilter.GaussianBlur(size / step * 0.4))
    soft = enlarge(np.asarray(blurred, np.float32) / np.float32(255), mask.shape[0], mask.shape[1], smooth=False)
    result: Array = np.clip(soft * np.float32(1.2), 0, 0.42)
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


def _draw(draw: ImageDraw.ImageDraw, text: str, middle: float, y: float, size: int, spacing: float, weight: float = 0.0) -> None:
    font = _font(size)
    x = middle - _width(text, size, spacing) / 2
    for index, letter in enumerate(text):
        draw.text((x, y), letter, fill=255, font=font, stroke_width=size * weight)
        # Measured as a pair, so that kerning survives letterspacing.
        pair = text[index : index + 2]
        x += font.getlength(pair) - (font.getlength(pair[1]) if len(pair) > 1 else 0) + size * spacing


def specimen(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Make a picture of one or two words: set again and again down the sheet, each line in another ink."""
    inks = sorted(brief.palette.inks, key=luminance, reverse=True)
    h, w = canvas.height, canvas.width
    text = printable(" ".join(brief.words[:1])).upper() or "·"
    canvas.pixels[:] = inks[0][:, None, None]
    size = 40
    while _width(text, size, 0.0) < w * 0.9 and size < h * 0.62:
        size = int(size * 1.06) + 1
    rows = max(2, round(h * 0.86 / (size * 0.82)))
    step, strong = h * 0.88 / rows, int(rng.integers(0, rows))
    for row in range(rows):
        sheet = Image.new("L", (w, h))
        draw = ImageDraw.Draw(sheet)
        box = _font(size).getbbox(text, stroke_width=size * 0.03)
        draw.text((w * 0.5 - (box[0] + box[2]) / 2, h * 0.06 + step * (row + 0.5) - (box[1] + box[3]) / 2), text, fill=255, font=_font(size), stroke_width=size * 0.03)
        mask = np.asarray(sheet, np.float32) / np.float32(255)
        tone = brief.palette.accent if row == strong else inks[1 + row % 4]
        canvas.blend(mask, tone)
        fade = np.linspace(-0.1, 0.8, w, dtype=np.float32)[None, :] * np.ones((h, 1), np.float32)
        canvas.spray(fade if row % 2 else fade[:, ::-1], mix(tone, inks[0], 0.45), mask=mask)
