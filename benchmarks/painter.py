"""`python -m benchmarks.painter SHEET.webp`: draw the prompts of `prompts.txt` on one sheet; say what an image costs.

`--against DIR` lets the painter of another checkout draw the same prompts in the same run, turn by turn, so that a busy
machine slows both; its sheet is saved beside the first as SHEET-against.webp.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw

PROMPTS = Path(__file__).with_name("prompts.txt")
ROOT = Path(__file__).resolve().parent.parent
COLUMNS, CELL, GAP = 10, 300, 12
ARTIST = """
import json, sys, time
from sandbox.gallery import _heap_trimmer
from sandbox.painter import png
_heap_trimmer()  # as in the sandbox's process
for line in sys.stdin:
    prompt, ratio = json.loads(line)
    began = time.process_time()
    picture = png(prompt, ratio)
    print(time.process_time() - began, len(picture), flush=True)
    sys.stdout.buffer.write(picture)
    sys.stdout.buffer.flush()
"""


class Artist:
    """A process of its own in which the painter of one checkout draws."""

    def __init__(self, root: Path) -> None:
        self.seconds: list[float] = []
        self.pictures: list[Image.Image] = []
        self.bytes = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", ARTIST], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def draw(self, prompt: str, ratio: str) -> None:
        """Draw one prompt and keep the picture and what it cost."""
        ask, answer = self._process.stdin, self._process.stdout
        assert ask is not None
        assert answer is not None
        ask.write(json.dumps([prompt, ratio]).encode() + b"\n")
        ask.flush()
        seconds, size = answer.readline().split()
        self.seconds.append(float(seconds))
        self.bytes += int(size)
        with Image.open(io.BytesIO(answer.read(int(size)))) as picture:
            self.pictures.append(picture.convert("RGB"))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def report(self) -> str:
        """Return the cost of an image in words."""
        worst = max(self.seconds)
        mean = statistics.mean(self.seconds)
        size = self.bytes / len(self.seconds) / 1e6
        return f"{mean * 1000:.0f} ms of CPU an image, {worst * 1000:.0f} at most, {size:.2f} MB"


def asked() -> list[tuple[str, str]]:
    """Return the prompts with their aspect ratios."""
    lines = PROMPTS.read_text("utf-8").splitlines()
    return [(prompt, ratio) for ratio, prompt in (line.split(" ", 1) for line in lines)]


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Return the pictures side by side, numbered, each fitted into a square."""
    rows = -(-len(pictures) // COLUMNS)
    paper = Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, rows * (CELL + GAP) + GAP), "#e9e6df")
    draw = ImageDraw.Draw(paper)
    for index, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        x, y = GAP + index % COLUMNS * (CELL + GAP), GAP + index // COLUMNS * (CELL + GAP)
        paper.paste(small, (x + (CELL - small.width) // 2, y + (CELL - small.height) // 2))
        draw.text((x, y - 11), str(index + 1), fill="#777")
    return paper


def main() -> None:
    """Draw, save, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.painter", description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout whose painter draws too")
    arguments = parser.parse_args()
    artists = {arguments.sheet: Artist(ROOT)}
    if arguments.against:
        other = arguments.sheet.with_stem(f"{arguments.sheet.stem}-against")
        artists[other] = Artist(arguments.against)
    for artist in artists.values():
        artist.draw("warm-up: numpy, fonts and tables load here", "1:1")
        artist.seconds.clear()
        artist.pictures.clear()
        artist.bytes = 0
    for prompt, ratio in asked():
        for artist in artists.values():
            artist.draw(prompt, ratio)
    for path, artist in artists.items():
        artist.close()
        sheet(artist.pictures).save(path, quality=88)
        print(f"{path}: {artist.report()}")


if __name__ == "__main__":
    main()
