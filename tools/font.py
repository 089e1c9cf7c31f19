"""`make font`: cut the site's type face, static/fonts/inter.woff2, out of Inter as its pinned package ships it.

What the package holds (880 KB) would be most of a page. What the site needs is one upright face: Latin letters and the
signs that pages print, weights from 400 to 700, one drawing for all sizes. Run it after the pin of `fontpkg-inter`,
`fonttools` or `brotlicffi` has changed; a test says when that is due.
"""

import io
import shutil
import sys
from itertools import chain
from pathlib import Path

import fontpkg_inter
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "static" / "fonts"
PRINT_FOLDER = ROOT / "billing" / "statements" / "fonts"
PRINT_WEIGHTS = (400, 600)
SOURCE = Path(fontpkg_inter.ROOT) / "files" / "Inter[opsz,wght].ttf"
LICENCE = Path(fontpkg_inter.ROOT) / "LICENSE"
# Kerning, marks on letters, forms of one language, figures of one width; ligatures of arrows and the like are not used.
FEATURES = ["kern", "mark", "mkmk", "ccmp", "locl", "tnum"]
# Between Inter's drawings for text (14) and for display (32): with both, the file is half as large again.
OPTICAL_SIZE = 20
WEIGHTS = (400, 700)
# What the font says of itself: copyright, family, style, version, licence and its address.
NAMES = [0, 1, 2, 3, 4, 5, 6, 13, 14]
SIGNS = "ȘșȚțẞ–—‘’‚“”„†•…‰′″‹›€™←↑→↓↵−≈≠≤≥⌘▲▶"


def characters() -> set[int]:
    """Return the characters that the face is cut down to: Latin of Europe's languages, and signs."""
    return {*chain(range(0x20, 0x7F), range(0xA0, 0x180)), *map(ord, SIGNS)}


def cut() -> bytes:
    """Return the face as a WOFF2 file; the same bytes each time."""
    options = Options()
    options.layout_features = FEATURES
    options.name_IDs = NAMES
    options.hinting = False
    options.notdef_outline = True
    font = TTFont(SOURCE, recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=characters())
    subsetter.subset(font)
    font = instantiateVariableFont(font, {"opsz": OPTICAL_SIZE, "wght": WEIGHTS})
    font.flavor = "woff2"
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def cut_for_print(weight: int) -> bytes:
    """Return the face of statements as a TrueType file of one weight: Latin, Greek and Cyrillic letters."""
    options = Options()
    options.layout_features = ["kern", "mark", "ccmp"]
    options.name_IDs = NAMES
    options.hinting = False
    options.notdef_outline = True
    font = TTFont(SOURCE, recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(
        unicodes=characters() | {*chain(range(0x180, 0x250), range(0x370, 0x530), range(0x1E00, 0x1F00))}
    )
    subsetter.subset(font)
    font = instantiateVariableFont(font, {"opsz": 14, "wght": weight})
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def main() -> int:
    """Write the faces and their licence. Returns the exit status."""
    FOLDER.mkdir(exist_ok=True)
    face = FOLDER / "inter.woff2"
    face.write_bytes(cut())
    shutil.copyfile(LICENCE, FOLDER / "inter-LICENSE.txt")
    PRINT_FOLDER.mkdir(exist_ok=True)
    for weight in PRINT_WEIGHTS:
        (PRINT_FOLDER / f"inter-{weight}.ttf").write_bytes(cut_for_print(weight))
    print(f"{face.relative_to(ROOT)}: {face.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
