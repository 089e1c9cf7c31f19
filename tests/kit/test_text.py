"""Words of people in every script, in names of files and where they are compared."""

import re
import unicodedata

import pytest

from kit.text import SEEN, folded, hyphenated, is_blank


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A Fox, in “deep” Snow/..\\", "a-fox-in-deep-snow"),
        ("Don't, don’t!", "dont-dont"),
        ("cafe\u0301 noir", "café-noir"),
        ("हिन्दी में", "हिन्दी-में"),  # vowel signs are marks
        ("🦊🦊", ""),
        ("a" * 80, "a" * 60),
        ("word " * 40, "-".join(["word"] * 12)),
    ],
)
def test_a_name_keeps_words_and_their_marks(text: str, name: str) -> None:
    assert hyphenated(text) == name


@pytest.mark.parametrize("letter", ["x", "é", "狐", "𐍈", "𐍈\u0308", "का", "ก็"])
@pytest.mark.parametrize("between", ["", " "])
def test_a_name_is_cut_by_bytes_at_a_whole_letter(letter: str, between: str) -> None:
    name = hyphenated(between.join([letter] * 200))
    assert 100 <= len(name.encode()) <= 120 or len(name) in (59, 60)
    assert name.replace("-", "") == unicodedata.normalize("NFC", letter) * (
        len(name.replace("-", "")) // len(unicodedata.normalize("NFC", letter))
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE\u0301"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Straße", "STRASSE"),
        ("ЁЛКА", "ёлка"),
        ("ﬁre", "FIRE"),
        ("Ａｂｃ", "abc"),
        ("ՄԵԾ", "մեծ"),
        ("한", "\u1112\u1161\u11ab"),
    ],
)
def test_what_differs_by_case_or_composition_is_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert folded(folded(one)) == folded(one)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "\u200b",
        "\u2060\ufeff",
        "\u00ad\u034f",
        "\u3164",
        "\u2800",
        "\u115f\u1160",
        "\U000e0041",
        "\ufe0f\x07",
    ],
)
def test_what_nobody_sees_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}x")


def test_marks_and_pictures_can_be_seen() -> None:
    assert not is_blank("❤\ufe0f")
    assert not is_blank(".")


def test_a_pattern_sees_what_python_sees() -> None:
    seen = re.compile(SEEN)
    plane = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    assert [hex(ord(one)) for one in plane if bool(seen.match(one)) == is_blank(one)] == []
