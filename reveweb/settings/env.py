"""The environment and the `.env` file: a blank value is none, and what makes no sense is refused by its name."""

import ipaddress
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.mail.message import sanitize_address
from django.core.validators import EmailValidator

BASE_DIR = Path(__file__).resolve().parent.parent.parent
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
NOT_SHOWN = ("KEY", "SECRET", "URL", "DSN", "TOKEN")  # a part of a variable's name: what it holds may open something
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.I)
_is_address = EmailValidator(allowlist=["localhost"])


class Env:
    """Reads variables. Each method raises ImproperlyConfigured, in one line that names the variable."""

    def __init__(self) -> None:
        self.read: set[str] = set()  # the names that were asked for

    def text(self, name: str, default: str = "") -> str:
        """Return the value without blanks around it, and `default` when nothing else is left. It is one line."""
        self.read.add(name)
        value = os.environ.get(name, "").strip()
        if any(ord(c) < 32 or c in "\x7f\u2028\u2029" or "\ud800" <= c <= "\udfff" for c in value):
            raise self.refused(name, value, "one line of text")
        return value or default

    def key(self, name: str, begins: Sequence[str] = ()) -> str:
        """Return a secret as it goes into a header: printable ASCII without blanks, beginning with one of `begins`."""
        value = self.text(name)
        if value and not re.fullmatch(r"[!-~]+", value):
            raise self.refused(name, value, "a key without blanks, in ASCII")
        if value and begins and not value.startswith(tuple(begins)):
            raise self.refused(name, value, f"a key that begins with {' or '.join(begins)}")
        return value

    def keys(self, name: str, begins: Sequence[str]) -> tuple[str, ...]:
        """Return secrets that stand between commas, as `key` would each of them: the new one, then the one before."""
        found = tuple(self.names(name))
        for value in found:
            if not re.fullmatch(r"[!-~]+", value) or not value.startswith(tuple(begins)):
                wanted = f"a key that begins with {' or '.join(begins)}, or several with commas between them"
                raise self.refused(name, value, wanted)
        if self.text(name) and not found:
            raise self.refused(name, self.text(name), "a key, or several with commas between them")
        return found

    def word(self, name: str, pattern: str, wanted: str, default: str = "") -> str:
        """Return a value that `pattern` matches; an error says that it must be `wanted`."""
        value = self.text(name)
        if value and not re.fullmatch(pattern, value):
            raise self.refused(name, value, wanted)
        return value or default

    def whole(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """Return a whole number from `least` to `most`."""
        if not (value := self.text(name)):
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise self.refused(name, value, "a whole number")
        number = int(value)
        if number < least or (most is not None and number > most):
            raise self.refused(name, value, f"{least} or more" if most is None else f"from {least} to {most}")
        return number

    def number(self, name: str, default: float, least: float = 0.0, most: float = 86_400.0) -> float:
        """Return a number from `least` to `most`."""
        if not (value := self.text(name)):
            return default
        try:
            number = float(value)
        except ValueError:
            raise self.refused(name, value, "a number") from None
        if not math.isfinite(number) or not least <= number <= most:
            raise self.refused(name, value, f"from {least:g} to {most:g}")
        return number

    def flag(self, name: str, default: bool = False) -> bool:
        """Return whether something is on."""
        value = self.text(name).lower()
        if value and value not in YES + NO:
            raise self.refused(name, value, "1 or 0")
        return value in YES if value else default

    def choice(self, name: str, default: str, among: Sequence[str]) -> str:
        """Return one of `among`, which are all in capitals or all in small letters; the value may be in either."""
        value = self.text(name, default)
        found = {one.lower(): one for one in among}.get(value.lower())
        if found is None:
            raise self.refused(name, value, f"one of {', '.join(filter(None, among))}")
        return found

    def names(self, name: str) -> list[str]:
        """Return what stands between commas, without blanks."""
        return [part for part in map(str.strip, self.text(name).split(",")) if part]

    def host(self, name: str, default: str) -> str:
        """Return the name or address of a host, an IPv6 one without brackets."""
        value = self.text(name, default)
        if not is_host(value) and not is_host(f"[{value}]"):
            raise self.refused(name, value, "the name or the IP address of a host")
        return value

    def hosts(self, name: str) -> list[str]:
        """Return names of hosts between commas as Django allows them: `.example.com` for all below it, `*` for any."""
        found = self.names(name)
        for value in found:
            if value != "*" and not is_host(value.removeprefix(".")):
                hint = "host names without scheme, port or path, separated by commas"
                raise self.refused(name, value, hint)
        return found

    def domains(self, name: str) -> list[str]:
        """Return names of domains, as hosts are written but without ports, patterns and addresses."""
        found = [one.lower() for one in self.names(name)]
        for one in found:
            if not _HOST_NAME.fullmatch(one) or "." not in one:
                raise self.refused(name, one, "domains, separated by commas, as in mail.example.com")
        return found

    def mailbox(self, name: str, default: str = "", *, with_name: bool = False) -> str:
        """Return an email address, which may be `Name <address>` if `with_name`: a name is quoted where need be."""
        value = self.text(name, default)
        if not value:
            return value
        named = re.fullmatch(r"(.*?)\s*<([^<>]+)>", value) if with_name else None
        address = named[2] if named else value
        sender = mailbox(named[1], address) if named and named[1] else address
        try:
            _is_address(address)
            sanitize_address(sender, "utf-8")  # which is what writes it into mails
        except (ValidationError, ValueError):
            wanted = "an email address" + (", alone or as Name <address>" if with_name else "")
            raise self.refused(name, value, wanted) from None
        return sender

    def mailboxes(self, name: str) -> list[str]:
        """Return email addresses that stand between commas."""
        found = self.names(name)
        for value in found:
            try:
                _is_address(value)
            except ValidationError:
                raise self.refused(name, value, "email addresses, separated by commas") from None
        return found

    def address(
        self,
        name: str,
        default: str = "",
        schemes: Sequence[str] = ("https", "http"),
        *,
        path: bool = True,
    ) -> str:
        """Return a URL with a host and no user, query or fragment, as it is written but for a slash at its end.

        Nor has it a path, unless `path`.
        """
        if not (value := self.text(name)):
            return default
        begins = " or ".join(f"{scheme}://" for scheme in schemes)
        url = self._split(name, value, f"an address that begins with {begins}")
        if url.scheme not in schemes or not is_host(url.netloc.rpartition("@")[2], port=True):
            raise self.refused(name, value, f"an address that begins with {begins}, and a host")
        if "@" in url.netloc or "?" in value or "#" in value:
            raise self.refused(name, value, "an address without user, query or fragment")
        if not path and url.path.strip("/"):
            raise self.refused(name, value, "an address without a path behind its host")
        return value.rstrip("/")

    def file(self, name: str) -> str:
        """Return the path of a file that can be read; one that is not absolute begins at the project's folder."""
        if not (value := self.text(name)):
            return ""
        path = BASE_DIR / value
        try:
            with path.open("rb"):
                return str(path)
        except OSError as error:
            raise ImproperlyConfigured(f"{name} must be a file that can be read: {error.strerror}.") from None

    def _split(self, name: str, value: str, wanted: str) -> SplitResult:
        if any(map(str.isspace, value)):
            raise self.refused(name, value, wanted)
        try:
            return urlsplit(value)
        except ValueError:
            raise self.refused(name, value, wanted) from None

    def proxies(self, name: str, default: int) -> "int | tuple[Network, ...]":
        """Return how many proxies, or the networks that they are in, separated by commas."""
        value = self.text(name)
        if not value or re.fullmatch("[0-9]+", value):
            return self.whole(name, default, most=16)
        try:
            return tuple(ipaddress.ip_network(part) for part in self.names(name))
        except ValueError:
            wanted = "a number of proxies, or their addresses and networks as in 10.0.0.0/8, separated by commas"
            raise self.refused(name, value, wanted) from None

    def both(self, *names: str) -> None:
        """Refuse some of `names` without the others: they only mean something together."""
        missing = [name for name in names if not self.text(name)]
        if missing and len(missing) < len(names):
            given = next(name for name in names if name not in missing)
            raise ImproperlyConfigured(f"{missing[0]} is not set; {given} needs it.")

    @staticmethod
    def refused(name: str, value: str, wanted: str) -> ImproperlyConfigured:
        """Return the error for a value that is not `wanted`. It repeats the value unless that may be a secret."""
        shown = "set to something else" if any(word in name for word in NOT_SHOWN) else repr(value[:100])
        return ImproperlyConfigured(f"{name} must be {wanted}; it is {shown}.")


def mailbox(name: str, address: str) -> str:
    """Return `name <address>` as mails have it (RFC 5322); a name that is quoted already stays so."""
    if not re.fullmatch(r"[\w .-]+", name) and not re.fullmatch(r'"([^"\\]|\\.)*"', name):
        name = '"{}"'.format(re.sub(r'([\\"])', r"\\\1", name))
    return f"{name} <{address}>"


def is_host(text: str, *, port: bool = False) -> bool:
    """Tell whether `text` is a host's name or IP address (IPv6 in brackets), with a port behind it if `port`."""
    if port and (found := re.fullmatch(r"(.*):([0-9]{1,5})", text)):
        text = found[1] if 0 < int(found[2]) <= 65_535 else ""
    if text.startswith("[") or re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
        except ValueError:
            return False
        return True
    return bool(_HOST_NAME.fullmatch(text))


env = Env()


def _read_file() -> None:
    """Take from the `.env` file what the environment does not have; a variable that is blank there is not had.

    Raises ImproperlyConfigured for a file that is named and cannot be read, and for a line that is no variable.
    """
    named = os.environ.get("ENV_FILE")
    path = Path(BASE_DIR / ".env" if named is None else named.strip())
    if named is not None and not named.strip():
        return  # blank is none, here alone
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        if named is None:
            return
        raise ImproperlyConfigured(f"ENV_FILE must be a file; there is none at {str(path)!r}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImproperlyConfigured(f"ENV_FILE: {str(path)!r} cannot be read: {reason}.") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#") and not re.match(r"(?:export )?[A-Za-z_0-9]+=", line):
            raise ImproperlyConfigured(f"Line {number} of {str(path)!r} must be NAME=value, or begin with #.")
    blank = {name: value for name, value in os.environ.items() if not value.strip() and name != "ENV_FILE"}
    for name in blank:
        del os.environ[name]
    environ.Env.read_env(str(path))
    for name, value in blank.items():
        os.environ.setdefault(name, value)


_read_file()
