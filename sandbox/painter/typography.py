"""Quoted words from the prompt, set as type on the picture."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, luminance, mix, rgb, shade
from sandbox.painter.noise import enlarge

_MAX_LETTERS = 180
_TIDY = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "‐": "-",
        "…": "...",
        " ": " ",
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "ı": "i",
    }
)


def set_quotes(canvas: Canvas, brief: Brief) -> None:
    """Set the prompt's quoted words, if the font has letters for any of them."""
    texts = [text for text in (printable(quote) for quote in brief.quotes[:3]) if text]
    if not texts:
        return
    title, *rest = texts
    place = _calmest(canvas)
    blocks = _Setting(canvas, title[:_MAX_LETTERS], [text[:_MAX_LETTERS] for text in rest])
    blocks.paint(canvas, brief, place)


def printable(text: str) -> str:
    """Return what the font can print: accents dropped where it lacks them, unknown letters left out."""
    letters = []
    for letter in " ".join(text.translate(_TIDY).split()):
        if _has(letter):
            letters.append(letter)
            continue
        plain = [part for part in unicodedata.normalize("NFKD", letter) if _has(part)]
        letters.extend(plain)
    return " ".join("".join(letters).split())


@lru_cache(maxsize=4096)
def _has(letter: str) -> bool:
    if letter == " ":
        return True
    font = _font(20)
    return _shape(font, letter) != _shape(font, "\uffff") and font.getbbox(letter)[2] > 0


def _shape(font: ImageFont.FreeTypeFont, letter: str) -> bytes:
    return bytes(font.getmask(letter))


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
        centre: float(busy[int((centre - 0.14) * height) : int((centre + 0.14) * height)].mean())
        for centre in (0.22, 0.5, 0.78)
    }
    scores[0.5] *= 1.25
    return min(scores, key=lambda centre: scores[centre])


class _Setting:
    """Lines broken and sized to fit: a title, and a smaller line or two under it."""

    def __init__(self, canvas: Canvas, title: str, rest: list[str]) -> None:
        short = len(title) <= 34
        self.spacing = 0.16 if len(title) <= 16 else 0.08 if short else 0.015
        text = title.upper() if short else title
        self.size, self.lines = self._fit(text, canvas.width * 0.82, canvas.height * 0.3, canvas.unit)
        self.small = max(int(self.size * 0.36), int(17 * canvas.unit))
        self.rest = [line for text in rest for line in _wrap(text, self.small, canvas.width * 0.8, 0.06)][:3]

    def _fit(self, text: str, width: float, height: float, unit: float) -> tuple[int, list[str]]:
        size = int(128 * unit)
        while True:
            lines = _wrap(text, size, width, self.spacing)
            widest = max(_width(line, size, self.spacing) for line in lines)
            if size <= 16 or (widest <= width and len(lines) * size * 1.22 <= height):
                return size, _balanced(text, size, width, self.spacing, len(lines))
            size = int(size * 0.93)

    def _widest(self) -> float:
        return max(_width(line, self.size, self.spacing) for line in self.lines)

    def paint(self, canvas: Canvas, brief: Brief, centre: float) -> None:
        """Lay the type on the canvas, centred at the share `centre` of its height."""
        sheet = Image.new("L", (canvas.width, canvas.height))
        draw = ImageDraw.Draw(sheet)
        tall = len(self.lines) * self.size * 1.22 + len(self.rest) * self.small * 1.5 + (self.small if self.rest else 0)
        y = canvas.height * centre - tall / 2
        top = int(y)
        for line in self.lines:
            _draw(draw, line, canvas.width / 2, y, self.size, self.spacing)
            y += self.size * 1.22
        y += self.small * 0.6
        for line in self.rest:
            _draw(draw, line, canvas.width / 2, y, self.small, 0.06)
            y += self.small * 1.5
        mask = np.asarray(sheet, np.float32) / np.float32(255)
        ink, halo = _inks(canvas, brief, max(top, 0), int(y))
        if _busy(canvas, max(top, 0), int(y)):
            _panel(canvas, max(top, 0) - self.size * 0.5, y + self.size * 0.35, self._widest() + self.size * 1.6, halo)
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
    return float(grey.std()) > 0.13 and float(np.abs(np.diff(grey, axis=1)).mean()) > 0.012


def _panel(canvas: Canvas, top: float, bottom: float, width: float, tone: Array) -> None:
    """Lay a plain, almost opaque panel under the type."""
    left = max((canvas.width - width) / 2, canvas.width * 0.05)
    corners = [(left, top), (canvas.width - left, top), (canvas.width - left, bottom), (left, bottom)]
    canvas.polygons([corners], tone, 0.9)


def _halo(mask: Array, size: int) -> Array:
    """Return a wide soft shade around the letters, so that they read on any ground without a box."""
    step = 8
    small = Image.fromarray((mask * 255).astype(np.uint8)).reduce(step)
    blurred = small.filter(ImageFilter.GaussianBlur(size / step * 0.4))
    soft = enlarge(np.asarray(blurred, np.float32) / np.float32(255), mask.shape[0], mask.shape[1])
    result: Array = np.clip(soft * 1.5, 0, 0.55)
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


def _draw(draw: ImageDraw.ImageDraw, text: str, middle: float, y: float, size: int, spacing: float) -> None:
    font = _font(size)
    x = middle - _width(text, size, spacing) / 2
    for index, letter in enumerate(text):
        draw.text((x, y), letter, fill=255, font=font)
        # Measured as a pair, so that kerning survives letterspacing.
        pair = text[index : index + 2]
        x += font.getlength(pair) - (font.getlength(pair[1]) if len(pair) > 1 else 0) + size * spacing
