"""The one door for an upstream's words: nothing that it says reaches a person, a row or a log but through `clean`.

An upstream may repeat our key, name its own machines, dump its JSON or turn our page around with characters that nobody
sees. So words are kept by the sentence, and a sentence with anything of that kind in it goes as a whole: what would be
left of it tells nobody anything. The kinds that mean something to people become our own sentences.
"""

import base64
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

MOST = 240  # characters that are kept; the ledger's causes and the rows have room for them
_LOOKED_AT = 4000  # characters that are looked at: the rest is no message
_RUN = 6  # so many characters of a secret in a row give it away


class Kind(StrEnum):
    """What an upstream may mean. The value is what people read instead of its words."""

    CONTENT = "The image service refused this prompt: its content policy does not allow it."
    BUSY = "The image service has too many requests just now."
    FUNDS = "The image service is not available right now."
    PARAMETER = "The image service did not accept a value of this request."


# In this order: what is about money may speak of limits too.
_KINDS = {
    Kind.FUNDS: (
        r"insufficient[ _-]?(credit|fund|quota|balance)|(credits?|funds|balance|quota)\b.{0,40}"
        r"(exhausted|used up|too low|depleted)|exhausted balance|"
        r"(no|out of|not enough|more) (credits?|funds|balance)|credits? left|"
        r"payment[ _-]required|billing"
    ),
    Kind.CONTENT: (
        r"content[ _-]?(polic|filter|moderat|violat)|polic(y|ies)[ _-]violat|moderation|safety (system|filter|check)|"
        r"nsfw|violates (our|the)|flagged (as|by)"
    ),
    Kind.BUSY: r"rate[ _-]?limit|too[ _-]many[ _-](requests|jobs)|throttl|overloaded|concurrency",
    Kind.PARAMETER: (
        r"(invalid|unsupported|unknown|missing|bad|unexpected)[ _-]"
        r"(param|argument|value|field|request|aspect|ratio|size|input|json|body)|validation|aspect_ratio|malformed|"
        r"is required|field required"
    ),
}
_KIND_PATTERNS = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _KINDS.items()}

# What begins a dump, wherever it stands: nothing behind it is meant for people.
_DUMP = re.compile(
    r"""[\[{]\s*["'{\[]|[{\[]\s*[\w"']+\s*[:=]|<[!/?a-z]|```|traceback\b|stack ?trace|\bfile "|\bat [\w$.]+\(|"""
    r"""\bline \d+\b|\w(error|exception)\s*[:(]|0x[0-9a-f]{4}""",
    re.IGNORECASE,
)
# What makes a sentence none for people. Coarse on purpose: that costs a sentence, and its absence may cost the key.
_INTERNAL = re.compile(
    r"""
    :// | \bwww\. | \w@\w | \b[\w-]+\.[a-z]{2,} | \blocalhost\b  # addresses, hosts, files, attributes
    | (\d{1,3}\.){3}\d | \w:\d{2,5}\b | ([0-9a-f]{0,4}:){2}      # addresses in numbers, ports
    | (^|[\s"'(=])[~.]{0,2}/[\w.-] | /\w+/ | [a-z]:\\ | \\       # paths
    | \b(bearer|basic|digest)\s | \bauthorization\b | \bx-[a-z-]*key\b
    | \b(api[ _-]?key|secret|password|token)s?\b["']?\s*[:=] | \b[a-z]{2,4}[-_](live|test|proj|prod)[-_]
    | %[0-9a-f]{2} | &\#?\w+; | \*{3} | [{}<>]                   # what is encoded or blotted out
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_ASCII_RUN = re.compile(r"[!-~]{12,}")
_LONGEST_WORD = 31  # in ASCII; what is longer is an identifier, or a text that is encoded
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\s*\n\s*")
# Letters and signs that show as nothing, beside the categories of those that never show.
_UNSEEN = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\u17b4\u17b5") | {chr(code) for code in range(0xFE00, 0xFE10)}
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_PLAIN_NAME = re.compile(r"[\w][\w .:+-]*(/[\w .:+-]+)?", re.ASCII)


class Hidden:
    """What nobody may read: an upstream's keys, in whatever wrapping, and its own address."""

    def __init__(self, secrets: Iterable[str] = (), address: str = "") -> None:
        self.secrets = [secret for secret in secrets if secret]
        spellings = {spelling for secret in self.secrets for spelling in _spellings(secret)}
        self._runs = {spelling[at : at + _RUN] for spelling in spellings for at in range(_starts(spelling))}
        self._hosts = {_squeezed(name) for name in _hosts(address)} - {""}

    def is_in(self, text: str) -> bool:
        """Tell whether `text` has a run of a secret in it, or a host, however it is spelled."""
        told = {_squeezed(text), _squeezed(unquote(unquote(text)))}
        return any(secret in text for secret in self.secrets) or any(
            known in each for known in self._runs | self._hosts for each in told
        )


def clean(said: object, hidden: Hidden, *, most: int = MOST) -> str:
    """Return what people may read of `said`, in at most `most` characters; "" when that is nothing."""
    if not isinstance(said, str):
        return ""
    text = _visible(html.unescape(said[:_LOOKED_AT]))
    if known := kind_of(text):
        return known.value
    sentences = _SENTENCE.split(text)
    if dump := _DUMP.search(text):
        sentences = _SENTENCE.split(text[: dump.start()])[:-1]  # the last one leads into it
    kept = [sentence for sentence in sentences if _is_for_people(sentence, hidden)]
    words = _cut(kept, most)
    # What was spread over sentences so that none of them shows it.
    return "" if hidden.is_in(words) else words


def kind_of(*said: object) -> Kind | None:
    """Tell which of the known kinds an error's words or code are."""
    texts = [text for text in said if isinstance(text, str)]
    return next((kind for kind, known in _KIND_PATTERNS.items() if any(map(known.search, texts))), None)


def name(said: object, hidden: Hidden, *, most: int = 120) -> str:
    """Return a name that an upstream gives, such as a model's; "" for what is none."""
    if not isinstance(said, str) or len(said) > most or not _PLAIN_NAME.fullmatch(said):
        return ""
    return "" if hidden.is_in(said) else said


def of_error(data: Any) -> str:
    """Find the words in the shapes that errors come in: {"error": {"message"}}, {"error"}, {"message"}, {"detail"}.

    They are still the upstream's own: `clean` them.
    """
    for _ in range(10):
        if isinstance(data, dict):
            data = next((data[key] for key in ("error", "message", "msg", "detail") if data.get(key)), "")
        elif isinstance(data, list):
            data = next((each for each in data if each), "")
        else:
            break
    return data if isinstance(data, str) else ""


def code_of(data: Any) -> str:
    """Find the code for programs in an error's JSON: the innermost "code", or "type" or "error_type" beside none.

    A code that repeats the HTTP status is none.
    """
    found = ""
    for _ in range(10):
        if isinstance(data, list):
            data = next((each for each in data if isinstance(each, dict)), None)
        if not isinstance(data, dict):
            break
        told = [data[key] for key in ("code", "type", "error_type") if isinstance(data.get(key), str)]
        found = next((code for code in told if code and not code.isdigit()), found)
        data = data.get("error") or data.get("detail")
    return found


def _visible(text: str) -> str:
    """Return `text` without what does not show or turns the direction of what does; line ends stay."""
    text = unicodedata.normalize("NFC", text)
    return "".join(
        "\n" if character in "\r\n\v\f\x85\u2028\u2029" else " " if character.isspace() else character
        for character in text
        if character.isspace()
        or (unicodedata.category(character) not in _UNSEEN_CATEGORIES and character not in _UNSEEN)
    )


def _is_for_people(sentence: str, hidden: Hidden) -> bool:
    spelled = unicodedata.normalize("NFKC", sentence)  # fullwidth letters are letters
    return (
        any(character.isalpha() for character in spelled)
        and not _INTERNAL.search(spelled)
        and not any(map(_is_opaque, _ASCII_RUN.findall(spelled)))
        and not hidden.is_in(sentence)
    )


def _is_opaque(run: str) -> bool:
    """Tell an identifier from words: it is very long, or mixes letters and digits."""
    mixed = any(character.isdigit() for character in run) and any(character.isalpha() for character in run)
    return mixed or len(run) > _LONGEST_WORD


def _cut(sentences: list[str], most: int) -> str:
    """Return as many sentences as fit; the beginning of the first when not even that does."""
    sentences = [" ".join(sentence.split()) for sentence in sentences]
    words = ""
    for sentence in sentences:
        longer = f"{words}{'' if words.endswith(('。', '！', '？')) else ' '}{sentence}".lstrip()
        if len(longer) > most:
            break
        words = longer
    if not words and sentences:
        words = sentences[0][: most - 1].rpartition(" ")[0] or sentences[0][: most - 1]
        words += "…"
    return words


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it is, backwards, in hex, and in base64 wherever in a longer text it may begin."""
    data = secret.encode(errors="replace")
    spellings = [_squeezed(secret), _squeezed(secret[::-1]), data.hex()]
    for before in range(3):
        encoded = base64.b64encode(b"\x00" * before + data).decode()
        # Its first and last characters depend on what stands around it.
        spellings.append(_squeezed(encoded[4 if before else 0 : -4 if len(data) > 6 else None]))
    return (spelling for spelling in spellings if len(spelling) >= min(_RUN, len(data)) and spelling)


def _starts(spelling: str) -> int:
    return max(1, len(spelling) - _RUN + 1)


def _squeezed(text: str) -> str:
    """Return the letters and digits of `text` and nothing between them, in one case."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())


def _hosts(address: str) -> list[str]:
    """Return the ways to name where an address leads: as a whole, with its port, and without."""
    parts = urlsplit(address)
    return [name for name in (address, parts.netloc.rpartition("@")[2], parts.hostname) if name]
