"""From a prompt to a brief: what to paint, in which mood, and the seeds for every choice the words leave open."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from sandbox.painter import subjects, words
from sandbox.painter.colour import Array, rgb
from sandbox.painter.palette import CALM, PALETTES, Palette

_QUOTED = re.compile(
    r"\"([^\"]{1,300})\"|“([^”]{1,300})”|«([^»]{1,300})»|„([^“”]{1,300})[“”]|(?<!\w)'([^']{1,300})'(?!\w)"
)
_MARKER = re.compile(r"\[sandbox:[^\]]*\]", re.IGNORECASE)
_LIGHTS = frozenset(("sunset", "dawn", "dusk", "night", "neon", "noir", "winter", "autumn", "storm"))
_OPEN = (
    "mountains",
    "sea",
    "meadow",
    "forest",
    "abstract",
    "desert",
    "creature",
    "space",
    "city",
    "mountains",
    "sea",
)


@dataclass(frozen=True)
class Brief:
    """What the painter knows about one picture. Equal prompts and ratios give equal briefs."""

    seed: bytes
    aspect_ratio: str
    scene: str
    palette: Palette
    subjects: tuple[str, ...]
    details: frozenset[str]
    words: frozenset[str]
    quotes: tuple[str, ...]
    colour: Array | None

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the generator for one purpose: parts don't shift when another part draws more numbers."""
        digest = hashlib.sha256(self.seed + purpose.encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

    def has(self, *names: str) -> bool:
        """Say whether any of these details or subjects is wanted."""
        return any(name in self.details or name in self.subjects for name in names)


def read(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> Brief:
    """Return the brief for a prompt in any language; words it doesn't know only shape the seed, as `variation` does."""
    asked = f"{prompt}\0{negative_prompt}" + (f"\0{variation}" if variation else "")
    seed = hashlib.sha256(asked.encode("utf-8", "replace")).digest()
    text = _MARKER.sub(" ", prompt)
    quotes = tuple(next(filter(None, found.groups())).strip() for found in _QUOTED.finditer(text))
    tokens = _tokens(_QUOTED.sub(" ", text)) or _tokens(text)
    avoided = set(_tokens(negative_prompt))
    tokens = [token for token in tokens if token not in avoided]
    pick = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:16], "big")))
    colour = next((rgb(words.COLOURS[t]) for t in tokens if t in words.COLOURS), None)
    named = _matches(tokens, subjects.SUBJECTS)
    return Brief(
        seed=hashlib.sha256(seed + aspect_ratio.encode()).digest(),
        aspect_ratio=aspect_ratio,
        scene=_scene(tokens, pick),
        palette=_mood(tokens, colour, pick),
        subjects=tuple(named),
        details=frozenset(_matches(tokens, subjects.DETAILS)),
        words=frozenset(tokens),
        quotes=tuple(quote for quote in quotes if quote),
        colour=colour,
    )


def _tokens(text: str) -> list[str]:
    found: list[str] = re.findall(r"[a-z]+", text.lower())
    return [form for word in found for form in _forms(word)]


def _forms(word: str) -> list[str]:
    """Return a word and its likely singulars: `mountains` also counts as `mountain`."""
    if len(word) > 4 and word.endswith("ies"):
        return [word, word[:-3] + "y"]
    if len(word) > 4 and word.endswith(("shes", "ches", "xes", "sses")):
        return [word, word[:-2]]
    if word == "wolves":
        return [word, "wolf"]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return [word, word[:-1]]
    return [word]


def _index(table: dict[str, str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name, listed in table.items():
        for word in listed.split():
            index.setdefault(word, []).append(name)
    return index


_WEAK = frozenset(
    (
        "tree",
        "pine",
        "flower",
        "water",
        "grass",
        "wood",
        "light",
        "line",
        "man",
        "woman",
        "person",
        "bird",
        "hill",
        "home",
        "sand",
        "tower",
        "rose",
    )
)
"""Words that set a scene only when nothing else does: a lake among pine trees is a lake."""

_SCENE_WORDS = _index(words.SCENES)
_PALETTE_WORDS = _index(words.PALETTES)
_INDEXES = {id(subjects.SUBJECTS): _index(subjects.SUBJECTS), id(subjects.DETAILS): _index(subjects.DETAILS)}


def _matches(tokens: list[str], table: dict[str, str]) -> list[str]:
    index = _INDEXES[id(table)]
    return list(dict.fromkeys(name for token in tokens for name in index.get(token, ())))


def _votes(tokens: list[str], index: dict[str, list[str]]) -> dict[str, float]:
    """Count votes per name; a word said early counts a little more, because subjects come first."""
    votes: dict[str, float] = {}
    for place, token in enumerate(dict.fromkeys(tokens)):
        weight = 0.4 if token in _WEAK and index is _SCENE_WORDS else 1.0
        for name in index.get(token, ()):
            weight_here = weight + (0.4 if token == name else 0)
            votes[name] = votes.get(name, 0) + weight_here * (1 + 0.6 / (1 + place))
    return votes


def _scene(tokens: list[str], pick: np.random.Generator) -> str:
    fallback = str(pick.choice(_OPEN))
    votes = _votes(tokens, _SCENE_WORDS)
    others = max((votes[name] for name in votes if name != "creature"), default=0.0)
    if "creature" in votes and others >= 1 and votes["creature"] < 2:
        del votes["creature"]  # "a fox in the forest" is a forest with a fox in it
    return max(votes, key=lambda name: votes[name]) if votes else fallback


def _mood(tokens: list[str], colour: Array | None, pick: np.random.Generator) -> Palette:
    fallback, lean = str(pick.choice(CALM)), float(pick.uniform(-9, 9))
    votes = _votes(tokens, _PALETTE_WORDS)
    for name in _LIGHTS & votes.keys():
        votes[name] += 1.5  # the hour outweighs the place: a desert at night is night
    palette = PALETTES[max(votes, key=lambda name: votes[name]) if votes else fallback]
    if palette.name != "noir":
        palette = palette.turned(lean)
    return palette if colour is None else palette.with_accent(colour)
