"""What a call accepts, declared; everything else is refused as Stripe refuses it.

A parameter sent empty reads as None, which clears a field, and is refused where it is required.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter, UnknownParameter

Params = dict[str, Any]


class Kind(Protocol):
    """One parameter's type."""

    @property
    def required(self) -> bool:
        """Whether a request without it is refused."""
        ...

    def read(self, raw: Any, name: str) -> Any:
        """Return the value of `raw`, a string or a dict of `raw`s. Raises InvalidRequest."""
        ...


Fields = Mapping[str, Kind]
"""What an object accepts, by name."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string, at most `longest` characters, perhaps one of `choices`."""

    choices: tuple[str, ...] = ()
    required: bool = False
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
class Integer:
    """A whole number; also moments, in Unix seconds."""

    least: int | None = None
    most: int | None = None
    required: bool = False

    def read(self, raw: Any, name: str) -> int:
        try:
            value = int(str(raw))
        except ValueError:
            raise InvalidRequest(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name) from None
        if self.least is not None and value < self.least:
            raise InvalidRequest(
                f"This value must be greater than or equal to {self.least}.",
                code="parameter_invalid_integer",
                param=name,
            )
        if self.most is not None and value > self.most:
            raise InvalidRequest(
                f"This value must be less than or equal to {self.most}.", code="parameter_invalid_integer", param=name
            )
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`."""

    required: bool = False

    def read(self, raw: Any, name: str) -> bool:
        if raw not in {"true", "false"}:
            raise InvalidRequest(f"Invalid boolean: {raw}", param=name)
        return bool(raw == "true")


@dataclass(frozen=True, slots=True)
class Metadata:
    """Up to 50 strings by name; an empty one clears that name."""

    required: bool = False

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
class Group:
    """An object with parameters of its own."""

    fields: Fields
    required: bool = False

    def read(self, raw: Any, name: str) -> Params:
        if not isinstance(raw, dict):
            raise InvalidRequest(f"Invalid object: {name}", param=name)
        return read(self.fields, raw, name)


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    of: Kind
    required: bool = False
    most: int = 100

    def read(self, raw: Any, name: str) -> list[Any]:
        if not isinstance(raw, dict) or not all(key.isdigit() for key in raw):
            raise InvalidRequest(f"Invalid array: {name}", param=name)
        if len(raw) > self.most:
            raise InvalidRequest(f"Array {name} exceeded maximum {self.most} allowed elements.", param=name)
        return [self.of.read(raw[key], f"{name}[{key}]") for key in sorted(raw, key=int)]


@dataclass(frozen=True, slots=True)
class Range:
    """An exact moment, or bounds by `gt`, `gte`, `lt`, `lte`; read as bounds."""

    required: bool = False

    def read(self, raw: Any, name: str) -> dict[str, int]:
        if isinstance(raw, dict):
            bounds: dict[str, int] = read({bound: Integer() for bound in ("gt", "gte", "lt", "lte")}, raw, name)
            return bounds
        moment = Integer().read(raw, name)
        return {"gte": moment, "lte": moment}


@dataclass(frozen=True, slots=True)
class Either:
    """The first of several kinds that reads."""

    kinds: tuple[Kind, ...]
    required: bool = field(default=False)

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
