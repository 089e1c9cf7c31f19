"""What a generate request may say: strict types, any Unicode, nothing guessed."""

import gzip
import json
from typing import Any

import pytest

from billing.models import Wallet
from generator.models import ASPECT_RATIOS, Generation
from tests.api.answers import GENERATE, assert_error, assert_json
from tests.billing.books import audit
from tests.conftest import Api

ODD_TEXTS = {
    "emoji": "👩‍🚀🏳️‍🌈 a lighthouse 🗼",
    "right to left": "מגדלור בים \u202ereversed\u202c منارة",
    "combining marks": "Cafe\u0301 A\u030a \u1100\u1161",
    "composed": "Caf\u00e9 \u00c5 \uac00",
    "compatibility forms": "ﬁ ① Ⅳ ｆｕｌｌ",
    "outside the basic plane": "\U00020000\U0001f600\U0010fffd",
    "spaces around": "  \t a lighthouse \n\n ",
    "control characters": "a\x01b\x1b[31m\x7f",
    "line ends": "a\r\nb\rc\u2028d\u2029e",
    "zero width": "a\u200bb\ufeffc\u200d",
    "markup": "<script>alert('1')</script> {{ 7*7 }} %s %(a)s \\ \" '",
    "no characters": "\uffff\ufffe",
}


def accepted(api: Api, **body: Any) -> Generation:
    """Ask for an image that must be taken on, without waiting; return its row."""
    response = api.post({"prompt": "a lighthouse", "async": True, **body})
    answer = assert_json(response)
    assert response.status_code == 202, answer
    return Generation.objects.get(public_id=answer["id"])


@pytest.fixture(autouse=True)
def _refused_requests_cost_nothing(wallet: Wallet) -> Any:
    """Whatever a test sends: there is one credit less for each generation, and none for a refusal."""
    yield
    assert audit(wallet) == 3 - Generation.objects.count()


# --- Where it is sent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path + slash for path in GENERATE for slash in ("", "/")])
def test_both_paths_take_a_request_with_and_without_a_slash(api: Api, path: str) -> None:
    response = api.post({"prompt": "a lighthouse", "async": True}, path)
    assert response.status_code == 202
    body = assert_json(response)
    assert body["id"].startswith("img_")
    assert body["status"] == "pending"


# --- What it defaults to ---------------------------------------------------------------------------------------


def test_only_a_prompt_is_needed(api: Api, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    assert api.post({"prompt": "a lighthouse"}).status_code == 202
    found = Generation.objects.get()
    assert (found.prompt, found.negative_prompt, found.aspect_ratio) == ("a lighthouse", "", "1:1")
    assert found.api_key == api.key


@pytest.mark.parametrize("ratio", ["1:1", "16:9", "4:3", "3:4", "9:16", "2:3", "3:2"])
def test_seven_shapes_can_be_asked_for(api: Api, ratio: str) -> None:
    assert accepted(api, aspect_ratio=ratio).aspect_ratio == ratio
    assert len(ASPECT_RATIOS) == 7


def test_a_negative_prompt_is_kept(api: Api) -> None:
    assert accepted(api, negative_prompt=" blurry, text ").negative_prompt == " blurry, text "


def test_unknown_fields_are_ignored(api: Api) -> None:
    found = accepted(
        api, style="noir", copies=4, width=9999, asynchronous=False, wallet=2, status="completed", _obj=1, __class__="x"
    )
    assert found.status == Generation.Status.QUEUED


# --- Text ------------------------------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
@pytest.mark.parametrize("ascii", [True, False], ids=["escaped", "in UTF-8"])
def test_any_unicode_is_kept_as_it_was_sent(api: Api, text: str, ascii: bool) -> None:
    raw = json.dumps({"prompt": text, "negative_prompt": text, "async": True}, ensure_ascii=ascii).encode()
    assert api.post(raw).status_code == 202
    found = Generation.objects.get()
    assert found.prompt == text
    assert found.negative_prompt == text


@pytest.mark.services
@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("text", ["a\x00b", "\x00", "\ud800", "a\udfffb", "\ude00\ud83d"])
def test_text_that_no_database_keeps_is_refused(api: Api, field: str, text: str) -> None:
    raw = json.dumps({"prompt": "a lighthouse", field: text, "async": True})
    assert_error(api.post(raw), 422, "invalid_request", field)


@pytest.mark.services
def test_a_pair_of_surrogates_is_one_character(api: Api) -> None:
    assert api.post(b'{"prompt": "\\ud83d\\uddfc", "async": true}').status_code == 202
    assert Generation.objects.get().prompt == "🗼"


@pytest.mark.parametrize(
    "blank", ["", " ", "\n\t ", "\u3000\u00a0\u2003", "\u200b\u2060", "\u3164\u2800", "\ufeff\u00ad"]
)
def test_a_blank_prompt_is_refused(api: Api, blank: str) -> None:
    assert_error(api.post({"prompt": blank}), 422, "invalid_request", "prompt")


def test_a_missing_prompt_is_refused(api: Api) -> None:
    assert "prompt" in assert_error(api.post({"aspect_ratio": "1:1"}), 422, "invalid_request", "prompt")


@pytest.mark.services
@pytest.mark.parametrize("letter", ["x", "é", "👩", "e\u0301"[1]])
def test_a_prompt_has_at_most_4000_characters_however_many_bytes(api: Api, letter: str) -> None:
    assert len(accepted(api, prompt=letter * 4000).prompt) == 4000
    assert "4000" in assert_error(api.post({"prompt": letter * 4001}), 422, "invalid_request", "prompt")


def test_spaces_around_a_prompt_do_not_count_but_are_kept(api: Api) -> None:
    text = "  " + "x" * 4000 + "\n" * 50
    assert accepted(api, prompt=text).prompt == text
    assert_error(api.post({"prompt": f" {'x' * 4001} "}), 422, "invalid_request", "prompt")


def test_a_negative_prompt_has_the_same_limit(api: Api) -> None:
    assert len(accepted(api, negative_prompt="x" * 4000).negative_prompt) == 4000
    response = api.post({"prompt": "x", "negative_prompt": "x" * 4001})
    assert_error(response, 422, "invalid_request", "negative_prompt")


# --- Types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "aspect_ratio"])
def test_text_of_another_type_is_refused_and_not_turned_into_text(api: Api, field: str) -> None:
    values: list[Any] = [1, 1.5, True, [], ["a lighthouse"], {}, {"text": "a"}]
    for value in values:
        assert_error(api.post({"prompt": "a lighthouse", field: value}), 422, "invalid_request", field)


def test_async_is_true_or_false_and_nothing_like_it(api: Api) -> None:
    values: list[Any] = ["true", "false", "", "yes", 0, 1, 1.0, [], {}]
    for value in values:
        assert_error(api.post({"prompt": "a lighthouse", "async": value}), 422, "invalid_request", "async")


def test_another_shape_is_refused_and_the_right_ones_are_named(api: Api) -> None:
    for ratio in ("", "1:2", "16:10", "1 : 1", "1:1 ", "１:1", "16/9", "1024x1024", "1:1\x00"):
        response = api.post({"prompt": "a lighthouse", "aspect_ratio": ratio})
        assert "16:9" in assert_error(response, 422, "invalid_request", "aspect_ratio")
    assert_error(api.post(b'{"prompt": "x", "aspect_ratio": "\\ud800"}'), 422, "invalid_request", "aspect_ratio")


def test_the_first_of_several_mistakes_is_named(api: Api) -> None:
    response = api.post({"prompt": 1, "aspect_ratio": "7:1", "async": "no"})
    assert_error(response, 422, "invalid_request", "prompt")


def test_a_body_that_is_no_object_is_refused(api: Api) -> None:
    for body in ("[]", '["prompt"]', '"prompt"', "1", "null", "true"):
        assert_error(api.post(body), 422, "invalid_request")


@pytest.mark.services
def test_numbers_beyond_all_bounds_are_no_obstacle(api: Api) -> None:
    raw = b'{"prompt": "a lighthouse", "async": true, "steps": 1e999, "copies": ' + b"9" * 4000 + b"}"
    assert api.post(raw).status_code == 202
    assert_error(api.post(b'{"prompt": 1e999}'), 422, "invalid_request", "prompt")


def test_null_in_an_optional_field_means_that_it_is_not_there(api: Api) -> None:
    first = api.post({"prompt": "a lighthouse", "async": True}, **{"Idempotency-Key": "order-1"})
    nulls = {"negative_prompt": None, "aspect_ratio": None, "unknown": None}
    again = api.post({"prompt": "a lighthouse", "async": True, **nulls}, **{"Idempotency-Key": "order-1"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert_error(api.post({"prompt": None}), 422, "invalid_request", "prompt")


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "deflate, gzip", "x"])
def test_a_compressed_body_is_not_taken(api: Api, encoding: str) -> None:
    body = gzip.compress(b'{"prompt": "a lighthouse", "async": true}')
    message = assert_error(api.post(body, **{"Content-Encoding": encoding}), 415, "unsupported_media_type")
    assert "Content-Encoding" in message
    assert api.post({"prompt": "x", "async": True}, **{"Content-Encoding": "identity"}).status_code == 202


def test_a_byte_order_mark_is_no_fault(api: Api) -> None:
    assert api.post(b'\xef\xbb\xbf{"prompt": "a lighthouse", "async": true}').status_code == 202
