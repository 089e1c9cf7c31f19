"""Asks the machine's name server for TXT records (RFC 1035), for the standard library asks for addresses alone."""

import secrets
import socket
import struct
from pathlib import Path

_TXT, _IN = 16, 1
_NO_SUCH_NAME = 3
PORT = 53
SECONDS = 2.0


class DnsAway(OSError):
    """No name server answered, or none did so usefully."""


def txt(name: str) -> list[str]:
    """Return the TXT records of `name`, each in one piece; none where there is no such name. Raises DnsAway."""
    query_id = secrets.randbits(16)
    labels = b"".join(bytes([len(part)]) + part for part in name.encode("idna").split(b"."))
    query = struct.pack("!6H", query_id, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", _TXT, _IN)
    error: Exception = DnsAway("no name server is known")
    for server, port in name_servers():
        try:
            return _read(_ask(server, port, query), query_id)
        except (OSError, struct.error, IndexError) as failed:
            error = failed
    raise DnsAway(str(error))


def name_servers(resolv: Path = Path("/etc/resolv.conf")) -> list[tuple[str, int]]:
    """Return whom this machine asks, the first three of them."""
    try:
        lines = [line.split() for line in resolv.read_text().splitlines()]
    except OSError:
        return []
    return [(line[1], PORT) for line in lines if line[:1] == ["nameserver"] and len(line) > 1][:3]


def _ask(server: str, port: int, query: bytes) -> bytes:
    """Ask by UDP, and again by TCP where the answer did not fit."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(SECONDS)
        datagrams.connect((server, port))
        datagrams.send(query)
        answer = datagrams.recv(4096)
    if not answer[2] & 0x02:
        return answer
    with socket.create_connection((server, port), SECONDS) as stream, stream.makefile("rb") as file:
        stream.sendall(struct.pack("!H", len(query)) + query)
        return file.read(struct.unpack("!H", file.read(2))[0])


def _read(answer: bytes, query_id: int) -> list[str]:
    id, flags, questions, answers = struct.unpack("!4H", answer[:8])
    code = flags & 0x0F
    if id != query_id or code not in (0, _NO_SUCH_NAME):
        raise DnsAway(f"the name server answers with error {code}")
    at, found = 12, []
    for _ in range(questions):
        at = _behind_name(answer, at) + 4
    for _ in range(answers):
        at = _behind_name(answer, at)
        kind, _, _, length = struct.unpack("!2HIH", answer[at : at + 10])
        if kind == _TXT:
            found.append(_joined(answer[at + 10 : at + 10 + length]))
        at += 10 + length
    return found


def _behind_name(answer: bytes, at: int) -> int:
    while answer[at]:
        if answer[at] & 0xC0:  # a pointer, and the end
            return at + 2
        at += 1 + answer[at]
    return at + 1


def _joined(data: bytes) -> str:
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts).decode("utf-8", "replace")
