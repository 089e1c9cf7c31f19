"""What stands in front: each check asks PUBLIC_URL as anybody would, and compares what arrived here."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.urls import reverse

from generator.models import Generation
from kit import site
from reveweb.doctor import asking, echo
from reveweb.doctor.findings import Finding, fault, ok, warning
from reveweb.version import VERSION

SOMEBODY = "203.0.113.77"  # TEST-NET-3 (RFC 5737): nobody's address
EXPIRING_DAYS, LATE_DAYS = 14, 3
HELD_SECONDS = 5.0  # that no proxy should end a request in
BUFFERED = 0.5  # of the time that the pieces take: what comes in less came at once
NGINX = (
    "nginx: proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
)


@dataclass(frozen=True)
class Seen:
    """What arrived here of a request."""

    installation: str
    version: str
    scheme: str
    host: str
    address: str
    peer: str
    forwarded_for: str
    forwarded_proto: str

    @property
    def chain(self) -> list[str]:
        """Whom the proxies name, the outermost caller first."""
        return [part.strip() for part in self.forwarded_for.split(",") if part.strip()]


class Elsewhere(Exception):
    """PUBLIC_URL does not lead to an answer of this site's; `finding` says how."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.cause)
        self.finding = finding


def reach() -> Iterator[Finding]:
    """Ask the site at PUBLIC_URL who it is, and how the request came."""
    if not settings.PUBLIC_URL:
        yield ok("front", "PUBLIC_URL is not set: nothing is looked at from outside")
        return
    try:
        seen = ask()
    except Elsewhere as elsewhere:
        yield elsewhere.finding
        return
    if seen.installation != echo.name_of(site.name()):
        words = f"{settings.PUBLIC_URL} is answered by another installation, with a database of its own."
        yield fault("front-elsewhere", words, "Mend the name in the DNS, the proxy's target, or PUBLIC_URL.")
        return
    yield from _scheme(seen)
    wanted = urlsplit(settings.PUBLIC_URL).netloc
    if seen.host != wanted:
        words = f"The site sees the host {seen.host} where people ask for {wanted}: log-ins and forms are refused."
        yield fault("front-host", words, f"Let the proxy pass the Host on. {NGINX}")
    if seen.version != VERSION:
        words = f"The web processes are of version {seen.version}, and this is {VERSION}."
        yield warning("front-version", words, "Finish the upgrade: restart every process with the newer version.")
    yield ok("front", f"{settings.PUBLIC_URL} leads here, version {seen.version}")


def _scheme(seen: Seen) -> Iterator[Finding]:
    wanted = urlsplit(settings.PUBLIC_URL).scheme
    if seen.scheme == wanted:
        return
    if seen.forwarded_proto and not settings.TRUSTED_PROXIES:
        words = f"The proxy says {seen.forwarded_proto}, and is not believed: TRUSTED_PROXIES is not set."
        yield fault("front-scheme", words, "Set TRUSTED_PROXIES=1, or how many proxies a request passes.")
    elif seen.forwarded_proto:
        words = (
            f"The site takes a request over {wanted} for {seen.scheme}: X-Forwarded-Proto is {seen.forwarded_proto}."
        )
        yield fault("front-scheme", words, f"An inner proxy must hand on what it got. {NGINX}")
    else:
        words = f"The proxy does not pass the scheme: the site takes a request over {wanted} for {seen.scheme}."
        yield fault("front-scheme", words, f"Let it set X-Forwarded-Proto. {NGINX}")


def proxies() -> Iterator[Finding]:
    """Ask with an address that is made up, and look who the site takes the caller for."""
    if not (seen := _quietly()) or not (lied := _quietly({"X-Forwarded-For": SOMEBODY})):
        return
    trusted = settings.TRUSTED_PROXIES
    if lied.address == SOMEBODY:
        words = (
            "Whoever calls may choose their address: the site believed one that was made up. No limit by address holds."
        )
        cure = f"Let TRUSTED_PROXIES be how many proxies there are (0 for none), and each append its caller. {NGINX}"
        yield fault("proxies-believed", words, cure)
    elif seen.chain and not trusted:
        words = (
            f"All people seem to come from the proxy ({seen.peer}), and share its limits: TRUSTED_PROXIES is not set."
        )
        yield fault("proxies-ignored", words, f"Set TRUSTED_PROXIES={len(seen.chain)}.")
    elif trusted and not seen.chain:
        words = f"TRUSTED_PROXIES is set, and no X-Forwarded-For comes: all people seem to come from {seen.peer}."
        yield fault("proxies-silent", words, f"Let the proxy append to X-Forwarded-For. {NGINX}")
    elif isinstance(trusted, int) and len(seen.chain) > trusted:
        words = (
            f"A request passes {len(seen.chain)} proxies, and TRUSTED_PROXIES says {trusted}: people share an address."
        )
        yield warning("proxies-few", words, f"Set TRUSTED_PROXIES={len(seen.chain)}.")
    yield ok("proxies", f"this machine is seen as {seen.address}")


def stream() -> Iterator[Finding]:
    """Look whether a stream comes piece by piece, as pages need it that wait for an image."""
    if not _quietly():
        return
    began = time.monotonic()
    try:
        came = [at - began for at, _ in asking.pieces(_address("doctor_stream"))]
    except (OSError, HTTPException) as error:
        words = f"A stream below /events/ breaks off: {error or type(error).__name__}."
        yield fault("stream-broken", words, "Let the proxy keep answers open: nginx: proxy_read_timeout 120s;")
        return
    lasts = (echo.PIECES - 1) * echo.PIECE_SECONDS
    if not came or came[-1] - came[0] < BUFFERED * lasts:
        words = f"The proxy keeps back what comes below /events/: pieces sent over {lasts:g} seconds came at once."
        cure = "Let it pass them on at once: nginx: proxy_buffering off; for /events/; a CDN: no buffering there."
        yield fault("stream-buffered", words, cure)
    else:
        yield ok("stream", f"its first piece came after {came[0] * 1000:.0f} ms")


def held() -> Iterator[Finding]:
    """Have an answer kept back for some seconds, as calls that wait for their image are for SYNC_WAIT_SECONDS."""
    if not _quietly():
        return
    wait = min(HELD_SECONDS, settings.SYNC_WAIT_SECONDS)
    try:
        ask(held=wait, seconds=wait + 3)
    except Elsewhere as elsewhere:
        words = f"A request that waits {wait:g} seconds is cut off: {elsewhere.finding.cause}"
        longest = f"SYNC_WAIT_SECONDS ({settings.SYNC_WAIT_SECONDS:g})"
        cure = f"Let requests last longer than {longest}: nginx: proxy_read_timeout 120s;"
        yield fault("held-cut", words, cure)
        return
    yield ok(
        "held", f"a request may wait {wait:g} seconds; let it be {settings.SYNC_WAIT_SECONDS:g} and more in the proxy"
    )


def certificate() -> Iterator[Finding]:
    """Look at the certificate that people see, and how long it is good for."""
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme != "https":
        return
    try:
        shown = asking.certificate(parts.hostname or "", parts.port or 443)
    except ssl.SSLCertVerificationError as error:
        words = f"Browsers refuse the certificate of {parts.netloc}: {error.verify_message}."
        yield fault(
            "certificate-invalid", words, "Get one for this name, with its whole chain: certbot --nginx -d, or Caddy."
        )
        return
    except OSError:
        return  # `front` tells of it
    left = (ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()) / 86_400
    if left < EXPIRING_DAYS:
        words = f"The certificate of {parts.netloc} ends in {left:.0f} days, and was not renewed."
        level = fault if left < LATE_DAYS else warning
        yield level(
            "certificate-expiring", words, "Look why it is not renewed: certbot renew --dry-run, systemctl list-timers."
        )
    yield ok("certificate", f"good for {left:.0f} days")


def images() -> Iterator[Finding]:
    """Fetch the newest image by the address that programs are given."""
    base = settings.IMAGE_BASE_URL or settings.PUBLIC_URL
    kept = Generation.objects.filter(status=Generation.Status.COMPLETED, deleted_at=None, taken_down_at=None)
    drawn = kept.order_by("-pk").first()
    if not base or drawn is None:
        return
    try:
        answer = asking.get(drawn.image_url(base), seconds=settings.S3_READ_SECONDS)
        if answer.status in (302, 307) and "location" in answer.headers:  # S3_REDIRECT
            answer = asking.get(answer.headers["location"], seconds=settings.S3_READ_SECONDS)
        words = f"is answered {answer.status}" if answer.status != 200 else ""
        if not words and not answer.headers.get("content-type", "").startswith("image/"):
            words = f"is no image but {answer.headers.get('content-type', 'nothing')}"
    except (OSError, HTTPException) as error:
        words = f"cannot be fetched: {error or type(error).__name__}"
    if words:
        cure = (
            "Let IMAGE_BASE_URL (a CDN, say) fetch from this site, or leave it unset."
            if settings.IMAGE_BASE_URL
            else ("Let the proxy pass /images/ on; with S3_REDIRECT the bucket must be reached from outside.")
        )
        yield fault("images-unreachable", f"The newest image below {base}/images/ {words}.", cure)
    else:
        yield ok("images", f"the newest one is to be had at {base}")


# --- Asking ------------------------------------------------------------------------------------------------------


def ask(headers: dict[str, str] | None = None, held: float = 0.0, seconds: float = 5.0) -> Seen:
    """Ask this site, from outside, what it sees. Raises Elsewhere."""
    try:
        answer = asking.get(_address("doctor_echo", held), headers, seconds)
    except ssl.SSLError as error:
        raise Elsewhere(_unreachable(f"TLS fails: {error.reason or error}")) from None
    except socket.gaierror:
        host = urlsplit(settings.PUBLIC_URL).hostname
        raise Elsewhere(_unreachable(f"there is no name {host} in the DNS of this machine")) from None
    except (OSError, HTTPException) as error:
        raise Elsewhere(_unreachable(f"{error or type(error).__name__}")) from None
    try:
        return Seen(**{name: str(value or "") for name, value in json.loads(answer.body).items()})
    except (ValueError, TypeError, AttributeError):
        raise Elsewhere(_not_ours(answer)) from None


def _not_ours(answer: asking.Answer) -> Finding:
    location = answer.headers.get("location", "")
    if 300 <= answer.status < 400 and location.startswith(settings.PUBLIC_URL):
        words = (
            "The site sends https to https, without end: the proxy does not pass the scheme, and SSL_REDIRECT is on."
        )
        return fault("front-scheme", words, f"Let the proxy set X-Forwarded-Proto, and set TRUSTED_PROXIES. {NGINX}")
    if answer.status == 400:
        words = f"{settings.PUBLIC_URL} is answered 400: the Host that the proxy passes is not in ALLOWED_HOSTS."
        return fault("front-host", words, f"Let the proxy pass the Host on. {NGINX}")
    if answer.status in (502, 503, 504):
        return _unreachable(f"the proxy answers {answer.status}, for it reaches no web process in time")
    words = f"{settings.PUBLIC_URL} is answered {answer.status} by something else than this installation."
    return fault("front-elsewhere", words, "Mend the name in the DNS, the proxy's target, or PUBLIC_URL.")


def _unreachable(words: str) -> Finding:
    cure = (
        "Look at the DNS, the firewall, the proxy and the web process. Some networks do not let a machine reach itself."
    )
    return fault("front-unreachable", f"{settings.PUBLIC_URL} cannot be reached from here: {words}.", cure)


def _quietly(headers: dict[str, str] | None = None) -> Seen | None:
    """Ask, for a check that has nothing to say where `front` has."""
    try:
        return ask(headers) if settings.PUBLIC_URL else None
    except Elsewhere:
        return None


def _address(view: str, held: float = 0.0) -> str:
    return f"{settings.PUBLIC_URL}{reverse(view)}?{urlencode({'token': echo.token(held)})}"
