"""The operator's accent colour for readers that know no oklch: mail programs."""

from functools import cache
from math import cos, radians, sin

# oklab to linear sRGB, by Björn Ottosson: https://bottosson.github.io/posts/oklab/
_LMS = ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.2914855480))
_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


@cache
def to_hex(lightness: float, chroma: float, hue: float) -> str:
    """Return an oklch colour as `#rrggbb`.

    One that sRGB lacks is made paler, as browsers do it: its lightness stays, and so does its contrast.
    """
    while not all(-1e-4 <= part <= 1.0001 for part in _linear(lightness, chroma, hue)):
        chroma = max(0.0, chroma - 0.002)
    return "#" + "".join(f"{_encoded(part):02x}" for part in _linear(lightness, chroma, hue))


def _linear(lightness: float, chroma: float, hue: float) -> list[float]:
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    lms = [(lightness + by_a * a + by_b * b) ** 3 for by_a, by_b in _LMS]
    return [sum(factor * part for factor, part in zip(row, lms, strict=True)) for row in _RGB]


def _encoded(part: float) -> int:
    part = min(1.0, max(0.0, part))
    return round(255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055))
