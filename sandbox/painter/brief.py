"""From a prompt to a brief: what to draw, in which mood, and the seeds for every choice that the words leave open.

A thing is drawn only where the words name it for certain: it must be the noun of its phrase. An orange tent is a
tent, in orange; an owl café or the skull of a horse are no owl and no horse, so they become an
abstract in the colours of the words.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.painter.colour import Array, rgb
from sandbox.painter.palette import CALM, PALETTES, Palette, by_words

_LEXICON: dict[str, Any] = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text("utf-8"))
_QUOTED = re.compile(
    r"\"([^\"]{1,300})\"|“([^”]{1,300})”|«([^»]{1,300})»|„([^“”]{1,300})[“”]|「([^」]{1,300})」|(?<!\w)'([^']{1,300})'(?!\w)"
)
_MARKER = re.compile(r"\[sandbox:[^\]]*\]", re.IGNORECASE)
_PART = re.compile(r"[^\W\d_]+|[.,;:!?()\n/|—–“”\"]")
_IDIOMS = re.compile(
    r"(?<!\w)(" + "|".join(map(re.escape, sorted(_LEXICON["idioms"], key=len, reverse=True))) + r")(?:s|es)?(?!\w)"
)
_MAX_WORDS = 400


def _index(table: dict[str, str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name, words in table.items():
        for word in words.split():
            index.setdefault(word, []).append(name)
    return index


_GRAMMAR: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _LEXICON["grammar"].items()}
_NUMBERS: dict[str, int] = _LEXICON["numbers"]
_SCENES = {place: scene for scene, places in _LEXICON["places"].items() for place in places}
_PLACES = _index({place: words for places in _LEXICON["places"].values() for place, words in places.items()})
_THINGS = _index({name: entry["words"] for name, entry in _LEXICON["things"].items()})
_DETAILS = _index(_LEXICON["details"])
_COLOURS: dict[str, str] = _LEXICON["colours"]
_LIKES: dict[str, str] = _LEXICON["likes"]
_PEOPLE = frozenset((*_LEXICON["people"]["words"].split(), *_LEXICON["things"]["person"]["words"].split()))
_PERSON_ENDS = tuple(_LEXICON["people"]["ends"])
_PORTRAITS = frozenset(("portrait", "headshot", "selfie", "face", "profile", "bust"))
_VERB_ENDS = ("ing", "ed", "ly")
_FRUIT_COLOURS = frozenset(("orange",))


@dataclass(frozen=True)
class Thing:
    """One thing to draw, how many of it, and the colour that the prompt gives it. The lexicon has the rest of it."""

    name: str
    count: int = 1
    colour: Array | None = None

    def __post_init__(self) -> None:
        entry = _LEXICON["things"][self.name]
        object.__setattr__(self, "home", entry["home"])
        object.__setattr__(self, "place", entry.get("place", ""))
        object.__setattr__(self, "size", float(entry["size"]))
        object.__setattr__(self, "figure", entry.get("figure", self.name))

    home: str = field(init=False)
    place: str = field(init=False)
    size: float = field(init=False)
    figure: str = field(init=False)

    def coat(self) -> Array | None:
        """Return the colour it was given or has by nature."""
        nature = _LEXICON["things"][self.name].get("colour")
        return self.colour if self.colour is not None else rgb(nature) if nature else None


@dataclass(frozen=True)
class Brief:
    """What the painter knows about one picture. Equal prompts and ratios give equal briefs."""

    seed: bytes
    scene: str
    places: tuple[str, ...]
    palette: Palette
    things: tuple[Thing, ...]
    details: frozenset[str]
    words: tuple[str, ...]
    quotes: tuple[str, ...]
    colours: tuple[Array, ...]

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the generator for one purpose: parts don't shift when another part draws more numbers."""
        return _rng(self.seed + purpose.encode())

    def has(self, *names: str) -> bool:
        """Say whether any of these details, things or places is wanted."""
        return any(n in self.details or n in self.places or any(t.name == n for t in self.things) for n in names)

    def at(self, *homes: str) -> list[Thing]:
        """Return the things whose home is one of these."""
        return [thing for thing in self.things if thing.home in homes]


@dataclass
class _Found:
    """What the phrases of a prompt name for certain."""

    places: list[str] = field(default_factory=list)
    things: dict[str, Thing] = field(default_factory=dict)
    colours: list[str] = field(default_factory=list)
    subject: str = ""  # the first noun that a phrase is about
    certain: bool = False  # whether the painter knows it
    portrait: bool = False


def read(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> Brief:
    """Return the brief for a prompt in any language; words it doesn't know only shape the seed, as `variation` does."""
    asked = f"{prompt}\0{negative_prompt}" + (f"\0{variation}" if variation else "")
    seed = hashlib.sha256(asked.encode("utf-8", "replace")).digest()
    text = _MARKER.sub(" ", prompt)
    quotes = tuple(next(filter(None, found.groups())).strip() for found in _QUOTED.finditer(text))
    avoided = frozenset(form for word in _PART.findall(negative_prompt.lower()) for form in _forms(word))
    parts = _parts(_QUOTED.sub(" , ", text)) or _parts(text)
    parts = [part for part in parts if avoided.isdisjoint(_forms(part))]
    found = _certain(parts)
    tokens = tuple(dict.fromkeys(form for part in parts for form in _forms(part)))
    details = frozenset(name for token in tokens for name in _DETAILS.get(token, ()))
    pick = _rng(seed)
    scene, places = _scene(found, details, pick)
    return Brief(
        seed=hashlib.sha256(seed + aspect_ratio.encode()).digest(),
        scene=scene,
        places=places,
        palette=_mood(tokens, found, pick),
        things=tuple(found.things.values()),
        details=details,
        words=tokens,
        quotes=tuple(quote for quote in quotes if quote),
        colours=tuple(rgb(colour) for colour in found.colours),
    )


def _rng(seed: bytes) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(seed).digest()[:16], "big")))


def _parts(text: str) -> list[str]:
    """Return words and punctuation; what follows "no" or "without" is gone, up to the next comma."""
    folded = _IDIOMS.sub(
        lambda match: f" {_LEXICON['idioms'][match[1]]} ", text.lower().replace("’", "'").replace("'s", " ")
    )
    kept, skipping = [], False
    for part in _PART.findall(folded)[:_MAX_WORDS]:
        skipping = part in _GRAMMAR["without"] or (skipping and part[0].isalpha())
        if not skipping:
            kept.append(part)
    return kept


def _forms(word: str) -> tuple[str, ...]:
    """Return a word and its likely singular: `mountains` also counts as `mountain`."""
    if len(word) > 4 and word.endswith("ies"):
        return word, word[:-3] + "y"
    if len(word) > 4 and word.endswith(("shes", "ches", "xes", "sses")):
        return word, word[:-2]
    if word in ("wolves", "leaves"):
        return word, word[:-3] + "f"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word, word[:-1]
    return (word,)


def _known(word: str, table: Iterable[str]) -> str | None:
    """Return the form of the word that a table has."""
    return next((form for form in _forms(word) if form in table), None)


def _phrases(parts: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Split at grammar, punctuation and verbs; yield each phrase with the grammar before it."""
    before, words = list[str](), list[str]()
    for part in parts:
        if not _ends_phrase(part):
            words.append(part)
            continue
        if words:
            yield before, words
            before, words = [], []
        before.append(part)
    if words:
        yield before, words


def _ends_phrase(part: str) -> bool:
    if not part[0].isalpha() or part in _GRAMMAR["breaks"] or part in _GRAMMAR["aside"]:
        return True
    tables = (_THINGS, _PLACES, _COLOURS, _DETAILS, _LIKES, _GRAMMAR["media"], _GRAMMAR["groups"])
    return part.endswith(_VERB_ENDS) and not any(_known(part, table) for table in tables)


def _certain(parts: list[str]) -> _Found:
    """Return what the phrases name, each by its last noun."""
    found = _Found()
    transparent = True  # until something is named, "of" leads on to it: a photo of a cat, a herd of elephants
    for before, words in _phrases(parts):
        found.portrait |= bool(_PORTRAITS & {*words})
        nouns = [w for w in words if not _is_adjective(w)]
        colours = [w for w in words if w in _COLOURS and w not in nouns]
        if len(words) == 1 and _names_fruit(words[0], before):
            nouns, colours = words, []
        if not nouns:
            found.colours += [_COLOURS[c] for c in colours]
            continue
        head, aside = nouns[-1], not transparent and bool(_GRAMMAR["aside"] & {*before})
        named, transparent = not aside and _name(found, head, nouns, colours, before), False
        if not found.subject:
            found.subject, found.certain = head, named or _is_air(head)
        if not named:
            found.colours += [_COLOURS[c] for c in colours]
            found.colours += [_LIKES[w] for w in (_known(n, _LIKES) for n in nouns) if w]
    return found


def _is_adjective(word: str) -> bool:
    """Say whether the word only describes, or says what kind of picture is wanted."""
    if word in _COLOURS or word in _GRAMMAR["plain"] or word in _NUMBERS:
        return True
    return bool(_known(word, _GRAMMAR["media"]) or _known(word, _GRAMMAR["groups"])) and not _known(word, _PLACES)


def _is_air(word: str) -> bool:
    return bool(_known(word, _DETAILS)) or bool(by_words((word,)))


def _names_fruit(word: str, before: list[str]) -> bool:
    """Say whether a word that is a colour and a fruit is the fruit: alone, and counted."""
    fruit = _known(word, _FRUIT_COLOURS)
    return fruit is not None and (fruit != word or any(w in ("a", "an") or w in _NUMBERS for w in before[-1:]))


def _name(found: _Found, head: str, nouns: list[str], colours: list[str], before: list[str]) -> bool:
    """Note the place or thing that `head` names; say whether it names one."""
    tint = rgb(_COLOURS[colours[-1]]) if colours else None
    thing, place = _known(head, _THINGS), _known(head, _PLACES)
    if thing:
        counted = [_NUMBERS[w] for w in before if w in _NUMBERS]
        number = counted[-1] if counted else 3 if thing != head else 1
        for name in _THINGS[thing]:
            found.things.setdefault(name, Thing(name, number, tint))
    if place:
        found.places += _PLACES[place]
        found.colours += [_COLOURS[c] for c in colours if not thing]
    if thing or place:
        for noun in nouns[:-1]:  # a forest cabin is in a forest, a lavender field is of lavender, in a koi pond are koi
            found.places[:0] = _PLACES.get(_known(noun, _PLACES) or "", ())
            name = _THINGS.get(_known(noun, _THINGS) or "", ("",))[0]
            if place and name and (name in ("pine", "palm") or Thing(name).home == "deep"):
                found.things.setdefault(name, Thing(name, 5))
    return bool(thing or place)


def _scene(found: _Found, details: frozenset[str], pick: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """Return the scene and its places; without a place that is certain, the first thing's own."""
    places, things = tuple(dict.fromkeys(found.places)), list(found.things.values())
    if found.portrait and (_known(found.subject, _PEOPLE) or found.subject.endswith(_PERSON_ENDS)):
        return "portrait", places
    if "lake" in places and any(t.home == "deep" for t in things):
        return "underwater", places
    served = any(t.home == "table" for t in things)
    if served and places in ((), ("window",), ("street",)) and found.certain and not things[0].place:
        return "stilllife", ("table",)
    if places and (served or places[0] != "table"):
        return _SCENES[places[0]], places
    if not found.certain:
        return "abstract", ()
    if things:
        home = things[0].place
        return (_SCENES[home], (home,)) if home else ("hero", ())
    if details:
        return "landscape", (str(pick.choice(("hills", "mountains", "sea", "lake"))),)
    return "abstract", ()


_STRONG = frozenset(("neon", "aurora", "noir"))
_LIGHTS = frozenset(("sunset", "dawn", "dusk", "night", "neon", "noir", "winter", "autumn", "storm", "aurora"))


def _mood(tokens: tuple[str, ...], found: _Found, pick: np.random.Generator) -> Palette:
    """Return the palette that the words vote for; the hour and the weather outweigh the place."""
    fallback, lean = str(pick.choice(CALM)), float(pick.uniform(-8, 8))
    votes: dict[str, float] = {}
    for place, token in enumerate(tokens):
        for name in by_words((token,)):
            votes[name] = (
                votes.get(name, 0)
                + 1
                + 0.6 / (1 + place)
                + (1.5 if name in _LIGHTS else 0)
                + (1 if name in _STRONG else 0)
            )
    colours = [rgb(colour) for colour in found.colours]
    if votes:
        palette = PALETTES[max(votes, key=lambda name: votes[name])]
    elif colours:
        palette = min((PALETTES[name] for name in CALM), key=lambda p: p.distance(colours))
    else:
        palette = PALETTES[fallback]
    if palette.name not in ("noir", "bauhaus"):
        palette = palette.turned(lean)
    return palette.with_colours(colours) if colours else palette
