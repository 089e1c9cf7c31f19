"""Where mails go without a mail server: one file each, in a folder, which `reveweb.pages.inbox` shows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage as Parsed
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path
from secrets import token_hex

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

KEPT = 500  # the newest; it is for trying things out
ID = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{8}")


@dataclass(frozen=True)
class LocalMail:
    """A mail in the folder."""

    id: str
    message: Parsed

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def to(self) -> str:
        return str(self.message["To"] or "")

    @property
    def sender(self) -> str:
        return str(self.message["From"] or "")

    @property
    def sent_at(self) -> datetime:
        return datetime.strptime(self.id[:22], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""


class FolderBackend(BaseEmailBackend):
    """Puts each mail into `LOCAL_MAIL_DIR` as a file of its own, whole or not at all."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails and return how many."""
        folder = Path(settings.LOCAL_MAIL_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{token_hex(4)}"
            draft = folder / f"{name}.part"
            draft.write_bytes(message.message().as_bytes())
            draft.rename(folder / f"{name}.eml")
        for path in _paths()[KEPT:]:
            path.unlink(missing_ok=True)
        return len(email_messages)


def newest(limit: int) -> Iterator[LocalMail]:
    """Yield the latest mails, newest first, without their bodies."""
    for path in _paths()[:limit]:
        if mail := _read(path, BytesHeaderParser(policy=policy.default)):
            yield mail


def find(id: str) -> LocalMail | None:
    """Return the mail of this id; None for anything that names none."""
    if not ID.fullmatch(id):
        return None
    return _read(Path(settings.LOCAL_MAIL_DIR) / f"{id}.eml", BytesParser(policy=policy.default))


def _paths() -> list[Path]:
    folder = Path(settings.LOCAL_MAIL_DIR)
    found = folder.glob("*.eml") if folder.is_dir() else []
    return sorted((path for path in found if ID.fullmatch(path.stem)), reverse=True)


def _read(path: Path, parser: "BytesParser[Parsed]") -> LocalMail | None:
    try:
        with path.open("rb") as file:
            return LocalMail(path.stem, parser.parse(file))
    except FileNotFoundError:  # it was among those too many
        return None
