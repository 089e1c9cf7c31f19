"""What people may read of an upstream's words: never our key, its own machines, or what is no sentence for them."""

import base64
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from generator.upstreams import words
from generator.upstreams.words import Hidden, Kind, clean

KEY = "rv-live-Zk39dkQp20sdkLLpq8"
HIDDEN = Hidden([KEY], "https://api.reve-art.com:8443/v2")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("The fox ran off.", "The fox ran off."),
        ("  The fox\t ran\n off. ", "The fox ran off."),
        ("The prompt has more than 2000 characters.", "The prompt has more than 2000 characters."),
        ("Most is 2048x2048 and/or 12s, e.g. less.", "Most is 2048x2048 and/or 12s, e.g. less."),
        ("图片包含暴力内容。请修改提示词。", "图片包含暴力内容。请修改提示词。"),
        ("Bitte anderen Prompt wählen, z. B. ohne Blut!", "Bitte anderen Prompt wählen, z. B. ohne Blut!"),
        ("Caf\u0065\u0301 &amp; tea.", "Café & tea."),
        (f"A fox ran off. Your key {KEY} is fine. Come back.", "A fox ran off. Come back."),
        (f"Incorrect API key provided: {KEY}", ""),
        ("A fox ran off. See https://status.reve-art.com/x for news.", "A fox ran off."),
        ("A fox ran off. Ask www.example or fox@example.com.", "A fox ran off."),
        ("A fox ran off (/srv/app/draw/worker).", ""),
        ("A fox ran off. C:\\draw\\fox", "A fox ran off."),
        ("A fox ran off on 10.0.3.17. Or at [::1]. Or fe80::1:2.", ""),
        ("A fox ran off on gpu-7.internal. Or at draw:8080.", ""),
        ("A fox ran off api.reve-art.com", ""),
        ("A fox ran off. job 7f9c4d1ab02e44d19c", "A fox ran off."),
        ('A fox ran off. Body: {"error": {"message": "x"}}', "A fox ran off."),
        ('{"error": "A fox ran off."}', ""),
        ("[{'loc': 1}]", ""),
        ("<html><body>Bad gateway.</body></html>", ""),
        ("A fox ran off. <script>alert(1)</script> Yes.", "A fox ran off."),
        ("A fox ran off. Traceback (most recent call last): It broke. It did.", "A fox ran off."),
        ("ValueError: nope. It broke.", ""),
        ("A fox ran off. It broke at draw.fox (app.js).", "A fox ran off."),
        ("A \u202efox\u202c r\u200ban\u2066 off\ufeff.\x00\x1b", "A fox ran off."),
        ("A fox\u3164 ran\ufe0f off.\ud800", "A fox ran off."),
        ("!!! ???", ""),
        ("7", ""),
        ("", ""),
        (None, ""),
        (7, ""),
        ({"message": "x"}, ""),
        (["A fox ran off."], ""),
    ],
)
def test_a_sentence_is_kept_whole_or_not_at_all(said: object, kept: str) -> None:
    assert clean(said, HIDDEN) == kept


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("The prompt was refused by our content policy.", Kind.CONTENT),
        ("content_policy_violation", Kind.CONTENT),
        ("Blocked by the safety system: NSFW (0.93) https://x.example", Kind.CONTENT),
        ("Rate limit reached for org-x on fox: 5 of 5", Kind.BUSY),
        ("Too many requests; try again shortly.", Kind.BUSY),
        ("The account has no credits left.", Kind.FUNDS),
        ("insufficient_quota", Kind.FUNDS),
        ("You exceeded your quota, check your billing details.", Kind.FUNDS),
        ("aspect_ratio must be one of 1:1, 16:9.", Kind.PARAMETER),
        ("Invalid parameter: seed", Kind.PARAMETER),
        ("Validation failed", Kind.PARAMETER),
    ],
)
def test_what_means_something_is_said_in_our_own_words(said: str, kind: Kind) -> None:
    assert clean(said, HIDDEN) == kind.value


def test_nobody_reads_that_our_funds_are_gone() -> None:
    assert not any(word in Kind.FUNDS.value for word in ("credit", "fund", "pay", "balance"))


def test_words_are_cut_at_a_sentence() -> None:
    assert clean("The fox ran off. " * 100, HIDDEN, most=40) == "The fox ran off. The fox ran off."


def test_a_sentence_without_an_end_is_cut_at_a_word() -> None:
    assert clean("the fox ran off and " * 100, HIDDEN, most=20) == "the fox ran off…"


# --- The key ---------------------------------------------------------------------------------------------------

WRAPPINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    "Bearer {}".format,
    "Authorization: Bearer {}".format,
    '{{"key": "{}"}}'.format,
    "https://api.example/v1?key={}&x=1".format,
    quote,
    lambda key: "".join(f"%{byte:02x}" for byte in key.encode()),
    lambda key: "".join(f"%25{byte:02x}" for byte in key.encode()),
    lambda key: base64.b64encode(key.encode()).decode(),
    lambda key: base64.urlsafe_b64encode(f"user:{key}:x".encode()).decode().rstrip("="),
    lambda key: " ".join(base64.b64encode(key.encode()).decode()),
    lambda key: key.encode().hex(),
    lambda key: key[::-1],
    lambda key: json.dumps(key),
    lambda key: "".join(f"\\u{ord(character):04x}" for character in key),
    lambda key: "".join(f"&#{ord(character)};" for character in key),
    lambda key: "\u200b".join(key),
    lambda key: "\u202e" + "\ufe0f".join(key),
    " ".join,
    "-".join,
    "\n".join,
    ". ".join,
    lambda key: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in key),  # fullwidth
    lambda key: key[: len(key) // 2] + " and " + key[len(key) // 2 :],
    lambda key: key[: len(key) // 2] + ". And " + key[len(key) // 2 :] + ".",
    lambda key: key[:-3] + "***",
    lambda key: "x" * 3990 + key,  # where the text is cut
]

secrets = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+/=", min_size=12, max_size=64)
prose = st.lists(st.sampled_from(["The fox ran off.", "why", "Nothing here!", "图片。", "\n", "and so on"]), max_size=4)


def shown_runs(text: str, secret: str) -> list[str]:
    """Return the runs of a secret's letters and digits, eight in a row, that somebody finds in `text`."""

    def squeezed(some: str) -> str:
        return "".join(c for c in unicodedata.normalize("NFKC", some) if c.isalnum()).casefold()

    spellings = [secret, secret[::-1], secret.encode().hex(), base64.b64encode(secret.encode()).decode()]
    told = squeezed(text)
    found = []
    for spelling in map(squeezed, spellings):
        found += [spelling[at : at + 8] for at in range(len(spelling) - 7) if spelling[at : at + 8] in told]
    return found


@settings(max_examples=100, deadline=None)
@given(secret=secrets, wrap=st.sampled_from(WRAPPINGS), before=prose, after=prose)
@example(secret=KEY, wrap=WRAPPINGS[0], before=["Incorrect API key provided:"], after=[])
@example(secret="foxranoffthe", wrap=WRAPPINGS[0], before=["The fox ran off the hill."], after=[])
def test_the_key_survives_in_no_wrapping(
    secret: str, wrap: Callable[[str], str], before: list[str], after: list[str]
) -> None:
    text = " ".join([*before, wrap(secret), *after])
    said = clean(text, Hidden([secret], "https://api.reve-art.com"))
    assert secret not in said
    assert shown_runs(said, secret) == []
    assert len(said) <= words.MOST


@pytest.mark.parametrize("wrap", WRAPPINGS)
def test_the_words_around_the_key_do_survive(wrap: Callable[[str], str]) -> None:
    assert clean(f"The fox ran off.\n{wrap(KEY)}", HIDDEN) in ("The fox ran off.", "")
    assert clean("The fox ran off.\nYour key is wrong.", HIDDEN) == "The fox ran off. Your key is wrong."


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=500), st.text("<>[]{}\"':/\\.@%&;* \n=aA1", max_size=200)))
def test_any_text_at_all_becomes_what_a_page_can_show(said: str) -> None:
    kept = clean(said, HIDDEN)
    assert len(kept) <= words.MOST
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") for character in kept)
    assert not any(mark in kept for mark in ("<", ">", "{", "}", "://", "\\"))
    kept.encode()
    assert clean(kept, HIDDEN) in (kept, "")  # and once more is no other


@pytest.mark.parametrize(
    "text", ["[", "a", "a/", ":", "1.", "a.", "A. ", "&amp;", "%41", " ", "a:", "credits ", "[ ", "0x", "no "]
)
def test_no_text_takes_long(text: str) -> None:
    before = time.thread_time()
    clean(text * 500_000, HIDDEN)
    assert time.thread_time() - before < 3


# --- Names and codes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["text2image_v1", "reve-create@latest", "stability/sdxl-1.0", "Flux 1.1 [pro]"])
def test_a_models_name_is_a_name_or_nothing(said: str) -> None:
    assert words.name(said, HIDDEN) == (said if "@" not in said and "[" not in said else "")


@pytest.mark.parametrize(
    "said",
    [
        *(None, 7, [], {}, "", "x" * 121, "a\x00", "a\u202eb", "https://x", "<b>", "a/b/c"),
        *(KEY, f"model-{KEY[3:12]}", KEY.encode().hex(), "api.reve-art.com"),
    ],
)
def test_what_is_no_name_is_none(said: object) -> None:
    assert words.name(said, HIDDEN) == ""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"error": {"code": "a", "type": "b"}}, "a"),
        ({"type": "error", "error": {"type": "b"}}, "b"),
        ({"code": "a"}, "a"),
        ({"code": 7, "error": "x"}, ""),
        ({"error": ["x"]}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_code_is_found_where_codes_stand(data: object, code: str) -> None:
    assert words.code_of(data) == code
