"""People's words, for what compares, names and refuses them: in every script, however their letters are composed."""

import re
import unicodedata

# What shows nothing though it is a character: Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt),
# and the blank pattern of Braille. Spaces and controls are known by their category.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# A character of Unicode's first plane in which `is_blank` sees something, in words that all dialects of patterns share.
SEEN = (
    r"[^\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160\u1680"
    r"\u17b4-\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb]"
)


def is_blank(text: str) -> bool:
    """Tell whether nobody could see anything of `text`."""
    seen = _UNSEEN.sub("", text)
    return all(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs") for character in seen)


def folded(text: str) -> str:
    """Return `text` as all that differs by case or by composition only has it (Unicode, default caseless matching)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def without_unseen(text: str) -> str:
    """Return `text` without the characters that show nothing, between which people hide the letters of a word."""
    return _UNSEEN.sub("", text)


def counted(number: int, thing: str) -> str:
    """Return "1 credit", "3 credits": a number of things that take an s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def hyphenated(text: str, most: int = 60) -> str:
    """Return the words of `text` for a file's name: letters of any script with their marks, and digits, in lower case.

    It has at most `most` characters and twice as many bytes of UTF-8, for file systems count those; it ends with a word
    or, of a single long one, with a whole letter.
    """
    text = unicodedata.normalize("NFC", text.replace("'", "").replace("’", "").lower())
    kept = (character if unicodedata.category(character)[0] in "LMN" else " " for character in text)
    words = "-".join("".join(kept).split())
    end = min(len(words), most)
    while len(words[:end].encode()) > 2 * most:
        end -= 1
    if end == len(words):
        return words
    if words[end] != "-" and "-" in words[:end]:
        end = words.rindex("-", 0, end)
    while end and unicodedata.category(words[end])[0] == "M":  # it would belong to the last letter
        end -= 1
    return words[:end]


def visible(text: str, *, most: int) -> str:
    """Return what shows of a stranger's text, on one line of at most `most` characters.

    What shows as nothing, or turns the direction of what does, is left out.
    """
    kept = (" " if character.isspace() else character for character in _UNSEEN.sub("", text))
    plain = "".join(each for each in kept if unicodedata.category(each) not in ("Cc", "Cf", "Cn", "Co", "Cs"))
    line = " ".join(plain.split())
    return line if len(line) <= most else line[: most - 1] + "…"
