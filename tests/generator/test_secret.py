"""Keys of upstreams at rest: encrypted, opened by old secrets too, or named by a variable, and never told."""

import pytest
from django.test import override_settings

from generator.upstreams import secret
from generator.upstreams.errors import Kind, OperatorTrouble

KEY = "sk-live-0123456789abcdef"


def test_what_is_stored_has_nothing_of_the_key_in_it_and_gives_it_back() -> None:
    stored = secret.seal(f"  {KEY}\n")

    assert KEY not in stored
    assert secret.seal(KEY) != stored  # nobody sees that two upstreams have the same
    assert secret.reveal(stored) == KEY
    assert (secret.told(stored), secret.problem(stored), secret.is_newest(stored)) == ("Set", "", True)


@override_settings(UPSTREAM_API_KEY="from-the-environment")
def test_no_key_of_its_own_is_the_environments() -> None:
    assert secret.seal(" ") == ""
    assert secret.reveal("") == "from-the-environment"
    assert secret.told("") == "REVE_API_KEY"


def test_a_former_secret_opens_and_what_it_sealed_is_sealed_anew() -> None:
    with override_settings(SECRET_KEY="a" * 50, SECRET_KEY_FALLBACKS=[]):
        stored = secret.seal(KEY)
    with override_settings(SECRET_KEY="b" * 50, SECRET_KEY_FALLBACKS=["a" * 50]):
        assert secret.reveal(stored) == KEY
        assert not secret.is_newest(stored)
        anew = secret.reseal(stored)
        assert secret.is_newest(anew)
        assert secret.reseal(anew) == anew
    with override_settings(SECRET_KEY="b" * 50, SECRET_KEY_FALLBACKS=[]):
        assert secret.reveal(anew) == KEY


@pytest.mark.parametrize("damage", [lambda stored: stored, lambda stored: stored[:-4], lambda stored: "nonsense ✗"])
def test_what_no_secret_opens_says_so_and_not_what_it_is(damage) -> None:  # type: ignore[no-untyped-def]
    with override_settings(SECRET_KEY="a" * 50, SECRET_KEY_FALLBACKS=[]):
        stored = damage(secret.seal(KEY))
    with override_settings(SECRET_KEY="b" * 50, SECRET_KEY_FALLBACKS=["c" * 50]):
        with pytest.raises(secret.NoKey) as error:
            secret.reveal(stored)
        assert isinstance(error.value, OperatorTrouble)  # so that its upstream is out, and no image fails
        assert error.value.kind == Kind.KEY_REFUSED
        assert "SECRET_KEY_FALLBACKS" in secret.problem(stored)
        assert stored not in secret.problem(stored)
        assert secret.told(stored) == "Cannot be opened"
        assert not secret.is_newest(stored)


def test_a_variable_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY", f"{KEY}\n")
    stored = secret.seal("env:FAL_KEY")

    assert stored == secret.told(stored) == "env:FAL_KEY"
    assert secret.reveal(stored) == KEY
    assert secret.is_newest(stored)

    monkeypatch.delenv("FAL_KEY")
    assert "no variable FAL_KEY" in secret.problem(stored)
    with pytest.raises(secret.NoKey):
        secret.reveal(stored)

    monkeypatch.setenv("FAL_KEY", "two words")
    assert "holds no key" in secret.problem(stored)


@pytest.mark.parametrize(
    "name", ["", "fal_key", "1KEY", "FAL-KEY", "FAL KEY", "ÄKEY", "FAL_KEY\nX", "NOT_THERE_AT_ALL"]
)
def test_what_is_no_variable_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="variable"):
        secret.seal(f"env:{name}")


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "DATABASE_URL", "STRIPE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"]
)
def test_the_installations_own_secrets_are_sent_to_no_upstream(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "opens-much")

    with pytest.raises(ValueError, match="own"):
        secret.seal(f"env:{name}")
    with pytest.raises(secret.NoKey):  # nor if a row says so
        secret.reveal(f"env:{name}")


def test_the_first_upstreams_key_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVE_API_KEY", KEY)

    assert secret.reveal(secret.seal("env:REVE_API_KEY")) == KEY


@pytest.mark.parametrize("key", ["two words", "schlüssel", "x" * 2001, "a\x00b", "a\r\nX-Header:b"])
def test_what_no_header_takes_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="A key has at most") as error:
        secret.seal(key)
    assert key not in str(error.value)
