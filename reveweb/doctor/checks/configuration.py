"""What is set, as far as it can be judged without asking anybody."""

import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import messages
from django.http.request import validate_host

from reveweb.doctor.findings import Finding, Level, fault, note, ok, warning

SECRET_LEAST = 32  # characters, as production asks for
# What Django recommends and what is somebody else's to decide: a proxy in front that redirects, say.
_TASTE = {"security.W004", "security.W008"}
MORE = "https://docs.djangoproject.com/en/5.2/ref/checks/ says more of it."
_TOLD_BY_OTHERS = {"generator.W001", "generator.W002"}  # `upstreams`


def is_public() -> bool:
    """Tell whether the site is meant for others than this machine's own people."""
    return bool(settings.PUBLIC_URL) and not is_local(urlsplit(settings.PUBLIC_URL).hostname or "")


def is_local(host: str) -> bool:
    """Tell whether a host is this machine or one of a private network, by its name."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan"))


def mode() -> Iterator[Finding]:
    """Say what kind of installation this is, and what does not go with a public one."""
    if settings.DEBUG and is_public():
        words = (
            f"DEBUG is on while PUBLIC_URL is {settings.PUBLIC_URL}: an error page shows settings and code to anybody."
        )
        yield fault("mode-debug", words, "Take DEBUG out of the environment, and restart every process.")
    if settings.SANDBOX and settings.SECURE and is_public():
        words = "No REVE_API_KEY is set: the sandbox draws, and people on a public address take it for the real thing."
        yield warning("mode-sandbox", words, "Set REVE_API_KEY, or keep this site to yourself.")
    kind = "production" if settings.PRODUCTION else "sandbox" if settings.SANDBOX else "development"
    sold = (
        "sells through Stripe"
        if settings.PAYMENTS and not settings.EMBEDDED_STRIPE
        else ("payments are simulated" if settings.PAYMENTS else "sells nothing: STRIPE_SECRET_KEY is not set")
    )
    yield ok("mode", f"{kind}, {sold}")


def secret_key() -> Iterator[Finding]:
    """Look at SECRET_KEY, and at what is left of an earlier one."""
    key = str(settings.SECRET_KEY)
    if len(key) < SECRET_LEAST or key.startswith(("change", "django-insecure")) or len(set(key)) < 8:
        words = f"SECRET_KEY is a placeholder, or has fewer than {SECRET_LEAST} characters: log-ins can be forged."
        make = "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        yield (fault if is_public() else warning)("secret-key-weak", words, f"Set a random one: {make}")
    if settings.SECRET_KEY_FALLBACKS:
        words = f"{len(settings.SECRET_KEY_FALLBACKS)} former keys still count (SECRET_KEY_FALLBACKS)."
        yield note("secret-key-former", words, "After two weeks run manage.py upstreams --reseal, and take them out.")


def hosts() -> Iterator[Finding]:
    """Compare ALLOWED_HOSTS with PUBLIC_URL."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if host and not validate_host(host, settings.ALLOWED_HOSTS):
        words = f"ALLOWED_HOSTS lacks {host}, which PUBLIC_URL names: each request there is answered 400."
        yield fault("hosts-lacking", words, f"Add {host} to ALLOWED_HOSTS, or leave ALLOWED_HOSTS unset.")
    if "*" in settings.ALLOWED_HOSTS and is_public():
        words = "ALLOWED_HOSTS is *: links in mails may lead wherever a request's Host says."
        yield warning("hosts-any", words, "Name the hosts, or leave ALLOWED_HOSTS unset: PUBLIC_URL's is allowed then.")


def cookies() -> Iterator[Finding]:
    """Look whether log-ins travel in the clear."""
    if is_public() and not settings.PUBLIC_URL.startswith("https://"):
        words = "PUBLIC_URL begins with http://: passwords, sessions and API keys go over the wire in the clear."
        yield fault("cookies-clear", words, "Put a proxy with TLS in front, and let PUBLIC_URL begin with https://.")
    elif settings.SECURE and not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        words = "SESSION_COOKIE_SECURE or CSRF_COOKIE_SECURE is off: a browser sends its session over plain HTTP, too."
        yield fault("cookies-insecure", words, "Leave both to reveweb/settings/where.py.")


def env_file() -> Iterator[Finding]:
    """Look who may read the files that hold secrets."""
    for path in (Path(settings.BASE_DIR) / ".env", settings.VAR_DIR / "secret-key"):
        try:
            state = path.stat()
        except OSError:
            continue
        if state.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            words = f"{path} can be read or written by others (mode {stat.S_IMODE(state.st_mode):o}), secrets and all."
            yield fault(
                "env-file-open", words, f"chmod 600 {path}, and rotate what is in it if others use the machine."
            )


def django() -> Iterator[Finding]:
    """Include what `manage.py check --deploy` finds, the checks of the database's rows among it."""
    for message in checks.run_checks(include_deployment_checks=is_public(), databases=["default"]):
        if not message.is_silenced() and message.id not in _TOLD_BY_OTHERS:
            yield Finding(f"django-{message.id}", _level(message), str(message.msg), str(message.hint or MORE))


def _level(message: checks.CheckMessage) -> Level:
    if message.level >= messages.ERROR:
        return Level.FAULT
    is_serious = message.level == messages.WARNING and message.id not in _TASTE
    return Level.WARNING if is_serious else Level.NOTE
