"""The URLs of servers, as what their clients take: nothing that somebody wrote in one is lost.

Each function reads one kind of URL. What its client would not understand, or what this site decides by itself, is
refused in one line that names the variable. Passwords that hold `/`, `?`, `#` or `%` are percent-encoded there.
"""

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from django.core.exceptions import ImproperlyConfigured

from reveweb.settings.env import BASE_DIR, is_host

CERTIFICATES = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS = (*_FILES, "ssl_cert_reqs", "ssl_check_hostname")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class Link:
    """A URL in its parts, decoded; `hosts` is as written, with ports."""

    name: str
    scheme: str
    user: str
    password: str
    hosts: str
    path: str
    query: dict[str, str]

    def refused(self, words: str) -> ImproperlyConfigured:
        """Return the error that says what is wrong with it. It never repeats the URL, for that may hold a password."""
        return ImproperlyConfigured(f"{self.name}: {words}.")

    def only(self, known: Iterable[str]) -> None:
        """Refuse parameters that are not among `known`."""
        for parameter in self.query:
            if parameter not in known:
                offered = ", ".join(known) or "none"
                raise self.refused(f"the parameter {parameter!r} is not understood; there are: {offered}")

    def flag(self, parameter: str, default: bool) -> bool:
        """Return whether a parameter is on."""
        value = self.query.get(parameter, "").lower()
        if value and value not in _YES + _NO:
            raise self.refused(f"{parameter} must be true or false")
        return value in _YES if value else default

    def seconds(self, parameter: str, default: float) -> float:
        """Return a parameter that is a number of seconds, more than none."""
        value = self.query.get(parameter)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) or not float(value):
            raise self.refused(f"{parameter} must be a number of seconds")
        return float(value)

    def host_and_port(self, default_port: int) -> tuple[str, int]:
        """Return its one host, without brackets, and its port."""
        if not is_host(self.hosts, port=True):
            raise self.refused("it needs a host, as in " + f"{self.scheme}://host:{default_port}")
        host, port = self.hosts, default_port
        if found := re.fullmatch(r"(.+):([0-9]+)", self.hosts):
            host, port = found[1], int(found[2])
        return host.strip("[]"), port

    def tls(self) -> dict[str, Any]:
        """Return what `ssl_…` says: files that exist, whether the other side must prove who it is, and its name."""
        found: dict[str, Any] = {}
        for parameter in _FILES:
            if path := self.query.get(parameter):
                if not Path(path).is_file():
                    raise self.refused(f"{parameter} is not a file: {path!r}")
                found[parameter] = path
        wanted = self.query.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
        if wanted not in CERTIFICATES:
            raise self.refused(f"ssl_cert_reqs must be one of {', '.join(CERTIFICATES)}")
        found["ssl_cert_reqs"] = wanted
        found["ssl_check_hostname"] = self.flag("ssl_check_hostname", wanted != "none")
        if wanted == "none" and found["ssl_check_hostname"]:
            raise self.refused("ssl_check_hostname needs ssl_cert_reqs=required")
        return found


def parse(name: str, url: str, schemes: Iterable[str]) -> Link:
    """Take a URL apart. Its password may hold `@` as it is, for people write it so."""
    found = re.fullmatch(r"([a-z][a-z0-9+.-]*)://([^/?]*)(/[^?]*)?(\?.*)?", url)
    if not found or found[1] not in schemes or re.search(r"\s", url):
        begins = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ImproperlyConfigured(f"{name} must be a URL that begins with one of {begins}.")
    scheme, netloc, path, query = found[1], found[2], found[3] or "", found[4] or ""
    credentials, _, hosts = netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    link = Link(name, scheme, unquote(user), unquote(password), hosts, unquote(path), {})
    if "#" in f"{hosts}{path}{query}":
        raise link.refused("a # in it must be written as %23")
    for pair in filter(None, query[1:].split("&")):
        parameter, _, value = pair.partition("=")
        if not parameter or not value or parameter in link.query:
            raise link.refused(f"the parameter {unquote(parameter)!r} must be there once, with a value")
        link.query[unquote(parameter)] = unquote(value)
    return link


# --- The database

POSTGRES = ("postgres", "postgresql", "pgsql", "psql")


def database(name: str, url: str) -> dict[str, Any]:
    """Return Django's settings of the database at `url`."""
    link = parse(name, url, (*POSTGRES, "sqlite"))
    return _sqlite(link) if link.scheme == "sqlite" else _postgres(link)


def _sqlite(link: Link) -> dict[str, Any]:
    if link.hosts or link.user or not link.path.strip("/") or link.path.endswith("/"):
        raise link.refused("SQLite's database is a file: sqlite:///name, or sqlite:////folder/name from the root on")
    link.only(["timeout"])
    options = {"timeout": link.seconds("timeout", 0)} if link.query else {}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(BASE_DIR / link.path[1:]), "OPTIONS": options}


def _postgres(link: Link) -> dict[str, Any]:
    """Let libpq read what is its own: several hosts, sockets, TLS, and every parameter that its version knows."""
    from psycopg import ProgrammingError  # here: only PostgreSQL needs it
    from psycopg.conninfo import conninfo_to_dict

    ours = [name for name in ("conn_health_checks", "disable_server_side_cursors") if name in link.query]
    settings = {parameter.upper(): link.flag(parameter, False) for parameter in ours}
    if link.query.get("conn_max_age", "0") != "0":
        raise link.refused("conn_max_age must be 0, for connections are kept by a pool")
    libpqs = {name: value for name, value in link.query.items() if name not in (*ours, "conn_max_age")}
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in libpqs.items())
    try:
        found = dict(conninfo_to_dict(f"postgresql://{link.hosts}/{quote(link.path[1:], safe='')}?{query}"))
    except ProgrammingError as error:
        raise link.refused(" ".join(str(error).split())) from None
    named = {setting: str(found.pop(part, "")) for setting, part in _PARTS.items()}
    named["USER"], named["PASSWORD"] = link.user or named["USER"], link.password or named["PASSWORD"]
    if not re.fullmatch(r"[0-9,]*", named["PORT"]):
        raise link.refused("its port must be a number")
    if not named["NAME"] and "service" not in found:
        raise link.refused("it needs the name of a database, as in postgres://user:password@host:5432/name")
    return {"ENGINE": "django.db.backends.postgresql", **named, **settings, "OPTIONS": found}


_PARTS = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


# --- Redis

REDIS = ("redis", "rediss", "unix")
_REDIS_PARAMETERS = ("db", "username", "password", "client_name", "health_check_interval", "socket_keepalive")


def redis(name: str, url: str) -> str:
    """Return `url` as every client of redis-py takes it: each part in one place, certificates checked unless not."""
    link = _redis(name, url)
    where = quote(link.path) if link.scheme == "unix" else f"{link.hosts}/{link.query['db']}"
    query = {parameter: value for parameter, value in link.query.items() if parameter in ("client_name",)}
    if "health_check_interval" in link.query:
        query["health_check_interval"] = str(int(link.seconds("health_check_interval", 0)))
    if "socket_keepalive" in link.query:
        query["socket_keepalive"] = str(link.flag("socket_keepalive", False))
    if link.scheme == "unix":
        query["db"] = link.query["db"]
    if link.scheme == "rediss":
        query |= {parameter: str(value) for parameter, value in link.tls().items()}
    return f"{link.scheme}://{_credentials(link)}{where}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")


def _redis(name: str, url: str) -> Link:
    link = parse(name, url, REDIS)
    link.only((*_REDIS_PARAMETERS, *(_TLS if link.scheme == "rediss" else ())))
    link = Link(
        name,
        link.scheme,
        link.query.pop("username", link.user),
        link.query.pop("password", link.password),
        link.hosts,
        link.path,
        link.query,
    )
    if link.scheme == "unix":
        if link.hosts or not link.path.strip("/"):
            raise link.refused("a socket is named by its path, as in unix:///run/redis.sock?db=0")
    else:
        link.host_and_port(6379)
        number = link.path.strip("/")
        if number and "db" in link.query and link.query["db"] != number:
            raise link.refused("it names two numbers of a database")
        link.query.setdefault("db", number or "0")
    if not re.fullmatch(r"[0-9]{1,5}", link.query.setdefault("db", "0")):
        raise link.refused("its database must be a number, as in redis://host:6379/0")
    return link


def _credentials(link: Link) -> str:
    if not link.user and not link.password:
        return ""
    password = f":{quote(link.password, safe='')}" if link.password else ""
    return f"{quote(link.user, safe='')}{password}@"


# --- The broker


@dataclass(frozen=True)
class Broker:
    """A broker as Celery takes it: `tls` is None, or what its transport calls the parts of it."""

    url: str
    tls: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    heartbeat: float | None = None
    connect_seconds: float | None = None


def broker(name: str, text: str) -> Broker:
    """Return Celery's settings of the broker; several of one kind stand between semicolons.

    Celery would check no certificate unless told to, and take parameters for what they are not: it gets each part by
    itself.
    """
    brokers = [_broker(name, url.strip()) for url in text.split(";") if url.strip()]
    first = brokers[0]
    if any(Broker(first.url, *_rest(other)) != first for other in brokers):
        raise ImproperlyConfigured(f"{name}: all its URLs must have the same parameters.")
    return Broker(";".join(each.url for each in brokers), *_rest(first))


def _rest(one: Broker) -> tuple[Any, ...]:
    return one.tls, one.options, one.heartbeat, one.connect_seconds


def _broker(name: str, url: str) -> Broker:
    if url.partition(":")[0] in REDIS:
        return _redis_broker(_redis(name, url))
    link = parse(name, url, ("amqp", "amqps", *REDIS))
    link.only(("heartbeat", "connection_timeout", *(_TLS if link.scheme == "amqps" else ())))
    host, port = link.host_and_port(5671 if link.scheme == "amqps" else 5672)
    tls = None
    if link.scheme == "amqps":
        found = link.tls()
        tls = {parameter.removeprefix("ssl_"): value for parameter, value in found.items() if parameter in _FILES}
        tls["cert_reqs"] = CERTIFICATES[found["ssl_cert_reqs"]]
        if found["ssl_check_hostname"]:
            tls["server_hostname"] = host
    path = f"/{quote(link.path[1:], safe='')}" if link.path else ""
    return Broker(
        f"{link.scheme}://{_credentials(link)}{f'[{host}]' if ':' in host else host}:{port}{path}",
        tls,
        heartbeat=link.seconds("heartbeat", 0) or None,
        connect_seconds=link.seconds("connection_timeout", 0) or None,
    )


def _redis_broker(link: Link) -> Broker:
    options: dict[str, Any] = {}
    if "client_name" in link.query:
        options["client_name"] = link.query["client_name"]
    if "health_check_interval" in link.query:
        options["health_check_interval"] = int(link.seconds("health_check_interval", 0))
    if "socket_keepalive" in link.query:
        options["socket_keepalive"] = link.flag("socket_keepalive", False)
    if link.scheme == "unix":
        where = f"{quote(link.path)}?virtual_host={link.query['db']}"
        return Broker(f"redis+socket://{_credentials(link)}{where}", options=options)
    tls = link.tls() if link.scheme == "rediss" else None
    return Broker(f"{link.scheme}://{_credentials(link)}{link.hosts}/{link.query['db']}", tls, options)


# --- Mail

_MAIL = {"smtp": 25, "smtp+tls": 587, "smtps": 465, "smtp+ssl": 465}
_OTHER_MAIL = {
    "folder": "reveweb.local_mail.FolderBackend",
    "consolemail": "django.core.mail.backends.console.EmailBackend",
    "filemail": "django.core.mail.backends.filebased.EmailBackend",
    "memorymail": "django.core.mail.backends.locmem.EmailBackend",
    "dummymail": "django.core.mail.backends.dummy.EmailBackend",
}


def mail(name: str, url: str) -> Mapping[str, Any]:
    """Return Django's settings of the mail server at `url`, or of what takes mails where there is none."""
    link = parse(name, url, (*_MAIL, *_OTHER_MAIL))
    if backend := _OTHER_MAIL.get(link.scheme):
        link.only([])
        if link.hosts or (link.path.strip("/") != "") != (link.scheme == "filemail"):
            wanted = "filemail:///folder" if link.scheme == "filemail" else f"{link.scheme}://"
            raise link.refused(f"it must be {wanted}")
        found = {"EMAIL_BACKEND": backend}
        return found | ({"EMAIL_FILE_PATH": link.path} if link.scheme == "filemail" else {})
    link.only(("timeout", "ssl_certfile", "ssl_keyfile"))
    host, port = link.host_and_port(_MAIL[link.scheme])
    if bool(link.user) != bool(link.password):
        raise link.refused("a mail server that wants a user wants a password too")
    # `smtps` is TLS from the first byte, on its own port; on any other it has always been STARTTLS here.
    from_the_start = link.scheme == "smtp+ssl" or (link.scheme == "smtps" and port == _MAIL["smtps"])
    tls = {part: link.query.get(part) for part in ("ssl_certfile", "ssl_keyfile")}
    if any(tls.values()) and link.scheme == "smtp":
        raise link.refused("ssl_certfile and ssl_keyfile need smtp+tls:// or smtp+ssl://")
    for parameter, path in tls.items():
        if path and not Path(path).is_file():
            raise link.refused(f"{parameter} is not a file: {path!r}")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": host,
        "EMAIL_PORT": port,
        "EMAIL_HOST_USER": link.user,
        "EMAIL_HOST_PASSWORD": link.password,
        "EMAIL_USE_SSL": from_the_start,
        "EMAIL_USE_TLS": link.scheme != "smtp" and not from_the_start,
        "EMAIL_SSL_CERTFILE": tls["ssl_certfile"],
        "EMAIL_SSL_KEYFILE": tls["ssl_keyfile"],
        "EMAIL_TIMEOUT": link.seconds("timeout", 10),  # that a mail server may keep a worker waiting
    }
