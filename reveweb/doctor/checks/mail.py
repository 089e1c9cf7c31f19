"""Mail: whether its server takes ours, up to the point where it would be sent, and what others ask the DNS about us."""

import smtplib
import ssl
from collections.abc import Iterator
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend

from reveweb.doctor import dns
from reveweb.doctor.checks.configuration import is_local, is_public
from reveweb.doctor.findings import Finding, fault, note, ok, warning

SECONDS = 5
_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def sending() -> Iterator[Finding]:
    """Log in at the mail server and offer it a mail from our sender to our own address; nothing is sent."""
    if settings.EMAIL_BACKEND != _SMTP:
        where = settings.EMAIL_BACKEND.rpartition(".")[2]
        if is_public():
            words = f"Nobody gets a mail: EMAIL_URL has them put elsewhere ({where})."
            yield warning("mail-nowhere", words, "Set EMAIL_URL, as in smtp+tls://user:password@smtp.example.com:587.")
        else:
            yield ok("mail", f"no mail server, mails are kept by {where}")
        return
    backend = get_connection(timeout=SECONDS)
    assert isinstance(backend, EmailBackend)
    try:
        try:
            backend.open()
        except Exception as error:
            yield _not_opened(error)
        else:
            assert backend.connection is not None
            yield from _offered(backend.connection)
    except (smtplib.SMTPException, OSError) as error:
        yield fault("mail-broken", f"It hung up: {error}", "Look into the mail server's log.")
    finally:
        backend.fail_silently = True
        backend.close()


def _not_opened(error: Exception) -> Finding:
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        words = f"{where} refuses the user or the password: {_said(error.smtp_code, error.smtp_error)}"
        return fault(
            "mail-login", words, "Mend the user and the password in EMAIL_URL, `/`, `@` and `%` percent-encoded."
        )
    if isinstance(error, ssl.SSLError):
        words = f"TLS with {where} fails: {error.reason or error}"
        cure = "Use smtp+tls:// for STARTTLS (587), smtp+ssl:// for TLS at once (465), and the name of its certificate."
        return fault("mail-tls", words, cure)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        words = f"{where} does not offer what EMAIL_URL asks for: {error}"
        return fault("mail-tls", words, "Use the port and the scheme that the server's operator names.")
    cure = "Mend host and port in EMAIL_URL. Many clouds block port 25, and some 587: ask for 2525 or 465 then."
    return fault("mail-unreachable", f"{where} cannot be reached: {type(error).__name__}: {error}", cure)


def _offered(server: smtplib.SMTP) -> Iterator[Finding]:
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    is_secret = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL or is_local(settings.EMAIL_HOST)
    if settings.EMAIL_HOST_PASSWORD and not is_secret:
        words = f"The password goes to {settings.EMAIL_HOST} in the clear."
        yield warning("mail-clear", words, "Let EMAIL_URL begin with smtp+tls:// or smtp+ssl://.")
    server.ehlo_or_helo_if_needed()
    code, said = server.mail(sender)
    if code != 250:
        words = f"It takes no mail from {sender}: {_said(code, said)}"
        yield fault(
            "mail-sender", words, "Set DEFAULT_FROM_EMAIL to an address that is allowed there, or verify its domain."
        )
        return
    recipient = settings.SUPPORT_EMAIL or sender
    code, said = server.rcpt(recipient)
    server.rset()
    if code >= 500:
        words = f"It takes no mail to {recipient}: {_said(code, said)}"
        yield fault(
            "mail-recipient", words, "Log in there (user and password in EMAIL_URL), or let it relay for this machine."
        )
    elif code >= 400:
        yield note("mail-later", f"It would take a mail to {recipient} later: {_said(code, said)}")
    yield ok("mail", f"{settings.EMAIL_HOST} takes mail from {sender}")


def _said(code: int, words: bytes | str) -> str:
    return f"{code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"


def records() -> Iterator[Finding]:
    """Look for what others ask the DNS before they believe a mail from us."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    if settings.EMAIL_BACKEND != _SMTP or not domain or is_local(domain):
        return
    try:
        sent_by = [record for record in dns.txt(domain) if record.lower().startswith("v=spf1")]
        policy = [record for record in dns.txt(f"_dmarc.{domain}") if record.lower().startswith("v=dmarc1")]
    except dns.DnsAway as error:
        yield note("mail-records-unknown", f"The records of {domain} are not known: {error}.")
        return
    if not sent_by:
        words = f"{domain} has no SPF record: many take a mail from {settings.DEFAULT_FROM_EMAIL} for forged."
        cure = (
            f'TXT {domain} "v=spf1 include:… ~all", as the mail service says, or "v=spf1 a:{settings.EMAIL_HOST} ~all".'
        )
        yield warning("mail-records-spf", words, cure)
    elif len(sent_by) > 1:
        words = f"{domain} has {len(sent_by)} SPF records; with more than one none counts."
        yield warning("mail-records-spf", words, "Make one of them, with all the includes.")
    if not policy:
        words = f"{domain} has no DMARC record; Gmail and Yahoo ask senders of many mails for one."
        yield note(
            "mail-records-dmarc", words, f'TXT _dmarc.{domain} "v=DMARC1; p=none", and DKIM as the mail service says.'
        )
    yield ok("mail-records", f"SPF {'there' if sent_by else 'missing'}, DMARC {'there' if policy else 'missing'}")
