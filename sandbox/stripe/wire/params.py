"""What a call accepts, declared; everything else is refused as Stripe refuses it.

A parameter sent empty reads as None, which clears a field, and is refused where it is required. `fields` reads the
declarations: names between spaces, each followed by what it holds when that isn't a text of at most 5,000 characters:

    name:22                 a text of at most 22 characters
    mode=payment|setup      one of these words
    count:1..100            a whole number with bounds, of which either may be left out; `at:int` has none
    at:int|now              a whole number or one of these words
    active:flag             `true` or `false`; `created:range` is a moment or bounds; `metadata` is always metadata
    after{type url}         an object with parameters of its own
    images[8]  items[]{id}  a list, of at most 8 or 100; what it holds follows
    price!                  required
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter, UnknownParameter

Params = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One parameter's type; a request without a `required` one is refused."""

    required: bool = False

    def read(self, raw: Any, name: str) -> Any:
        """Return the value of `raw`, a string or a dict of `raw`s. Raises InvalidRequest."""
        raise NotImplementedError


Fields = Mapping[str, Kind]
"""What an object accepts, by name."""


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """A string, at most `longest` characters, perhaps one of `choices`."""

    choices: tuple[str, ...] = ()
    longest: int = 5000

    def read(self, raw: Any, name: str) -> str:
        if not isinstance(raw, str):
            raise InvalidRequest(f"Invalid string: {name}", param=name)
        if self.choices and raw not in self.choices:
            raise InvalidRequest(f"Invalid {name}: must be one of {', '.join(self.choices)}", param=name)
        if len(raw) > self.longest:
            raise InvalidRequest(f"Invalid string: {name} must be at most {self.longest} characters", param=name)
        return raw


@dataclass(frozen=True, slots=True)
class Integer(Kind):
    """A whole number; also moments, in Unix seconds."""

    least: int | None = None
    most: int | None = None

    def read(self, raw: Any, name: str) -> int:
        try:
            value = int(str(raw))
        except ValueError:
            raise InvalidRequest(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name) from None
        wrong = f"greater than or equal to {self.least}" if self.least is not None and value < self.least else ""
        wrong = f"less than or equal to {self.most}" if self.most is not None and value > self.most else wrong
        if wrong:
            raise InvalidRequest(f"This value must be {wrong}.", code="parameter_invalid_integer", param=name)
        return value


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    """`true` or `false`."""

    def read(self, raw: Any, name: str) -> bool:
        if raw not in {"true", "false"}:
            raise InvalidRequest(f"Invalid boolean: {raw}", param=name)
        return bool(raw == "true")


@dataclass(frozen=True, slots=True)
class Metadata(Kind):
    """Up to 50 strings by name; an empty one clears that name."""

    def read(self, raw: Any, name: str) -> dict[str, str]:
        if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
            raise InvalidRequest(f"Invalid object: {name} holds strings by name", param=name)
        for key, value in raw.items():
            if len(key) > 40 or len(value) > 500 or len(raw) > 50:
                raise InvalidRequest(
                    "Metadata holds at most 50 keys of at most 40 characters, and values of at most 500.",
                    param=f"{name}[{key}]",
                )
        return dict(raw)


@dataclass(frozen=True, slots=True)
class Group(Kind):
    """An object with parameters of its own."""

    fields: Fields

    def read(self, raw: Any, name: str) -> Params:
        if not isinstance(raw, dict):
            raise InvalidRequest(f"Invalid object: {name}", param=name)
        return read(self.fields, raw, name)


@dataclass(frozen=True, slots=True)
class Many(Kind):
    """A list."""

    of: Kind
    most: int = 100

    def read(self, raw: Any, name: str) -> list[Any]:
        if not isinstance(raw, dict) or not all(key.isdigit() for key in raw):
            raise InvalidRequest(f"Invalid array: {name}", param=name)
        if len(raw) > self.most:
            raise InvalidRequest(f"Array {name} exceeded maximum {self.most} allowed elements.", param=name)
        return [self.of.read(raw[key], f"{name}[{key}]") for key in sorted(raw, key=int)]


@dataclass(frozen=True, slots=True)
class Range(Kind):
    """An exact moment, or bounds by `gt`, `gte`, `lt`, `lte`; read as bounds."""

    def read(self, raw: Any, name: str) -> dict[str, int]:
        if isinstance(raw, dict):
            return read({bound: Integer() for bound in ("gt", "gte", "lt", "lte")}, raw, name)
        moment = Integer().read(raw, name)
        return {"gte": moment, "lte": moment}


@dataclass(frozen=True, slots=True)
class Either(Kind):
    """The first of several kinds that reads."""

    kinds: tuple[Kind, ...]

    def read(self, raw: Any, name: str) -> Any:
        for kind in self.kinds[:-1]:
            try:
                return kind.read(raw, name)
            except InvalidRequest:
                continue
        return self.kinds[-1].read(raw, name)


def read(fields: Fields, raw: Mapping[str, Any], path: str = "") -> Params:
    """Return the typed parameters. Raises UnknownParameter, MissingParameter, InvalidRequest."""
    for name in raw:
        if name not in fields:
            raise UnknownParameter(_join(path, name))
    for name, kind in fields.items():
        if kind.required and name not in raw:
            raise MissingParameter(_join(path, name))
    return {name: _value(fields[name], value, _join(path, name)) for name, value in raw.items()}


def _value(kind: Kind, raw: Any, name: str) -> Any:
    if raw == "":
        if kind.required:
            raise InvalidRequest(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
                "however it cannot be unset.",
                code="parameter_invalid_empty",
                param=name,
            )
        return None
    return kind.read(raw, name)


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


_FIELD = re.compile(r"(\w+)(?:\[(\d*)\])?(?:=([\w|]+)|:([\w.|]+))?(\{)?(!)?")
_PLAIN: dict[str, type[Kind]] = {"flag": Flag, "int": Integer, "range": Range}


def fields(declared: str) -> dict[str, Kind]:
    """Return the kinds that are declared as this module's docstring says, by name."""
    return _declared(iter(declared.replace("{", "{ ").replace("}", " }").split()))[0]


def _declared(tokens: Iterator[str]) -> tuple[dict[str, Kind], bool]:
    """Read up to the end of a group; return its fields and whether it is required."""
    kinds: dict[str, Kind] = {}
    for token in tokens:
        if token.startswith("}"):
            return kinds, token.endswith("!")
        match = _FIELD.fullmatch(token)
        assert match, token
        name, most, choices, plain, opens, mark = match.groups()
        inner, required = _declared(tokens) if opens else (None, bool(mark))
        kind = _kind(name, choices, plain, inner, required=required and most is None)
        kinds[name] = kind if most is None else Many(kind, most=int(most or 100), required=required)
    return kinds, False


def _kind(name: str, choices: str | None, plain: str | None, inner: Fields | None, *, required: bool) -> Kind:
    if inner is not None:
        return Group(inner, required=required)
    if choices:
        return Text(tuple(choices.split("|")), required=required)
    if name == "metadata":
        return Metadata(required=required)
    if plain in _PLAIN:
        return _PLAIN[plain](required=required)
    if plain and plain.startswith("int|"):
        return Either((Integer(), Text(tuple(plain.split("|")[1:]))), required=required)
    if plain and ".." in plain:
        least, _, most = plain.partition("..")
        return Integer(int(least) if least else None, int(most) if most else None, required=required)
    return Text(longest=int(plain or 5000), required=required)
