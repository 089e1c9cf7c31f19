"""The environment and the `.env` file: a blank value is none, and what makes no sense is refused by its name."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Env:
    """Reads variables. Each method raises ImproperlyConfigured, in one line that names the variable."""

    def text(self, name: str, default: str = "") -> str:
        """Return the value without blanks around it, and `default` when nothing else is left."""
        return os.environ.get(name, "").strip() or default

    def whole(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """Return a whole number from `least` to `most`."""
        if not (value := self.text(name)):
            return default
        try:
            number = int(value)
        except ValueError:
            raise self.refused(name, value, "a whole number") from None
        if number < least or (most is not None and number > most):
            raise self.refused(name, value, f"{least} or more" if most is None else f"from {least} to {most}")
        return number

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        """Return a number that is at least `least`."""
        if not (value := self.text(name)):
            return default
        try:
            number = float(value)
        except ValueError:
            raise self.refused(name, value, "a number") from None
        if not math.isfinite(number) or number < least:
            raise self.refused(name, value, f"{least:g} or more")
        return number

    def flag(self, name: str, default: bool = False) -> bool:
        """Return whether something is on."""
        value = self.text(name).lower()
        if value and value not in YES + NO:
            raise self.refused(name, value, "1 or 0")
        return value in YES if value else default

    def choice(self, name: str, default: str, among: Sequence[str]) -> str:
        """Return one of `among`."""
        value = self.text(name, default)
        if value not in among:
            raise self.refused(name, value, f"one of {', '.join(among)}")
        return value

    def names(self, name: str) -> list[str]:
        """Return what stands between commas, without blanks."""
        return [part for part in map(str.strip, self.text(name).split(",")) if part]

    def address(self, name: str, default: str = "", schemes: Sequence[str] = ("https", "http")) -> str:
        """Return a URL with a host, as it is written but for a slash at its end."""
        if not (value := self.text(name)):
            return default
        try:
            url = urlsplit(value)
            right = url.scheme in schemes and bool(url.hostname) and (url.port or 1) > 0
        except ValueError:
            right = False
        if not right or any(map(str.isspace, value)):
            raise self.refused(name, value, f"an address that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return value.rstrip("/")

    @staticmethod
    def refused(name: str, value: str, wanted: str) -> ImproperlyConfigured:
        """Return the error for a value that is not `wanted`. It repeats the value unless that may be a secret."""
        shown = "set to something else" if any(word in name for word in ("KEY", "SECRET", "URL")) else repr(value)
        return ImproperlyConfigured(f"{name} must be {wanted}; it is {shown}.")


env = Env()

env_file = os.environ.get("ENV_FILE", str(BASE_DIR / ".env"))  # blank is none, here alone
if env_file and Path(env_file).is_file():
    environ.Env.read_env(env_file)
