"""The errors page names every error that the API can answer with."""

import ast
import inspect
from pathlib import Path

import pytest
from django.test import Client

from generator import errors as generator_errors
from generator import models
from reveweb.answers import ANSWERS, DATABASE_AWAY, INTERNAL_ERROR, METHOD_NOT_ALLOWED, Answer
from reveweb.docs import errors
from tests import ROOT


@pytest.fixture
def page(client: Client, db: None) -> str:
    return client.get("/docs/errors/").content.decode()


def test_every_answer_of_the_api_is_a_row(page: str) -> None:
    answers = {*ANSWERS.values(), METHOD_NOT_ALLOWED, DATABASE_AWAY, INTERNAL_ERROR}
    assert len(answers) > 15
    listed = [(row.code, row.status) for row in errors.refusals()]
    for answer in answers:
        assert listed.count((answer.code, answer.status)) >= 1
        assert f"<code>{answer.code}</code> {answer.status}" in page
    assert len(listed) == len(answers) + 1  # and what is wrong with a field


def test_every_row_says_when_it_comes_what_to_do_and_whether_it_was_billed(page: str) -> None:
    for row in errors.refusals():
        assert len(row.when) > 15
        assert len(row.advice) > 5
        assert row.billed
    assert page.count(">No</td>") == len(errors.refusals()) - 2  # for a bug or an outage of ours nobody can promise it
    assert page.count(">No, the credit is back</td>") == len(errors.failures())


def test_every_error_of_the_generator_has_guidance_of_its_own() -> None:
    kinds = {
        kind
        for _, kind in inspect.getmembers(generator_errors, inspect.isclass)
        if issubclass(kind, generator_errors.GeneratorError) and kind is not generator_errors.GeneratorError
    }
    # What is wrong with an upstream's image ends a generation, and answers no request.
    kinds = {kind for kind in kinds if not issubclass(kind, generator_errors.BadImage)}
    assert kinds <= set(errors.GUIDANCE)
    assert set(errors.GUIDANCE) <= set(ANSWERS)


def test_an_error_without_guidance_shows_what_its_class_and_its_message_say(monkeypatch: pytest.MonkeyPatch) -> None:
    class TooPurple(Exception):
        """The prompt is too purple."""

    answer = Answer(422, "too_purple", "Try green.")
    monkeypatch.setitem(ANSWERS, TooPurple, answer)
    [row] = [row for row in errors.refusals() if row.code == "too_purple"]
    assert (row.when, row.advice, row.billed) == ("The prompt is too purple.", "Try green.", "No")


def test_every_way_a_generation_can_fail_is_a_row() -> None:
    codes = {code for path in (ROOT / "generator").rglob("*.py") for code in _codes_of_failures(path)}
    assert codes
    assert codes == {failure.code for failure in errors.failures()}


def _codes_of_failures(path: Path) -> list[str]:
    """Return the `code` of every `lifecycle.fail(…, code="…")` in a module."""
    return [
        str(value.value) if isinstance(value, ast.Constant) else vars(models)[value.id]
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("lifecycle.fail", "fail", "self._fail")
        for keyword in call.keywords
        if keyword.arg == "code"
        for value in ast.walk(keyword.value)
        if isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id.isupper())
    ]
