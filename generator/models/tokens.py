"""Names that nobody guesses."""

import re
import secrets
import string

PUBLIC_ID = re.compile(r"img_[0-9A-Za-z]{1,36}")
FILE_ID = re.compile(r"file_[0-9A-Za-z]{1,35}")
ENDPOINT_ID = re.compile(r"we_[0-9A-Za-z]{1,37}")
MESSAGE_ID = re.compile(r"msg_[0-9A-Za-z]{1,36}")
_ALPHABET = string.digits + string.ascii_letters


def new_public_id() -> str:
    """Return a fresh `img_…` with 142 random bits."""
    return "img_" + random_characters(24)


def new_file_id() -> str:
    """Return a fresh `file_…` with 142 random bits."""
    return "file_" + random_characters(24)


def new_file_token() -> str:
    """Return an unguessable name for an image file, 190 random bits."""
    return random_characters(32)


def random_characters(length: int) -> str:
    """Return as many random characters, from one draw: one for each would take longer than all the rest of a row."""
    number, characters = secrets.randbelow(len(_ALPHABET) ** length), ""
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters += _ALPHABET[digit]
    return characters
