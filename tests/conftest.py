"""People and things that many tests need: Alice owns, Bob is a stranger, Sam is staff."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import anyio._backends._asyncio  # noqa: F401 (pytest rewrites it, and CPython 3.11 may fail to when a test is deep in its loop)
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client, TransactionTestCase
from django.test.client import AsyncClientHandler, ClientHandler
from pytest_django import DjangoDbBlocker
from whitenoise import WhiteNoise

from accounts import keys
from accounts.models import ApiKey, User
from billing import ledger, patience
from billing.models import CreditGrant, Wallet
from billing.outbox import mail
from generator.ask import admission, prices
from generator.calls.writing import BUFFER
from generator.files import standing
from generator.jobs import places
from generator.library import withheld
from generator.models import Generation
from generator.upstreams import health, routing, trouble
from kit import storage
from reveweb.held import HeldHandler
from reveweb.lanes import Lane, lane_of
from tests import environment, prepared
from tests.billing import books
from tests.environment import SANDBOX_PORT

PASSWORD = "correct horse battery"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what starts whole installations: it waits a lot, and at the end one process would wait alone."""
    items.sort(key=lambda item: item.get_closest_marker("stack") is None)


@pytest.fixture(autouse=True)
def _fresh_redis() -> None:
    environment.empty_redis()


@pytest.fixture(autouse=True)
def _no_trouble() -> None:
    """Forget what an earlier test's upstream and Stripe were like."""
    trouble.forget()
    prices.forget()
    places.forget()
    routing.forget()
    health.forget()
    patience.STRIPE.reset()
    storage.breaker.reset()
    standing.forget()
    withheld._names, withheld._read_at = frozenset(), float("inf")  # until something is taken down


@pytest.fixture(autouse=True)
def _quiet_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep calls that are noted in memory: a thread that writes them would do so in the middle of another test."""
    monkeypatch.setattr(BUFFER, "_start", lambda: None)
    yield
    BUFFER.forget()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A copy of the prepared database, instead of pytest-django's migrating one in each process."""
    with django_db_blocker.unblock():
        prepared.use_database()
    yield
    with django_db_blocker.unblock():
        prepared.drop_database()


@pytest.fixture(autouse=True, scope="session")
def _lanes() -> Iterator[None]:
    """Let Django's test clients take each request to the lane that `reveweb.asgi` takes it to."""
    in_page, in_page_async = ClientHandler.get_response, AsyncClientHandler.get_response_async
    held = lru_cache(maxsize=1)(HeldHandler)

    def get_response(self: ClientHandler, request: Any) -> Any:
        if Lane.HELD in lane_of(request.path_info):
            return async_to_sync(held().get_response_async)(request)
        return in_page(self, request)

    async def get_response_async(self: AsyncClientHandler, request: Any) -> Any:
        if Lane.HELD in lane_of(request.path_info):
            return await held().get_response_async(request)
        return await in_page_async(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "get_response", get_response)
        patch.setattr(AsyncClientHandler, "get_response_async", get_response_async)
        yield


@pytest.fixture(autouse=True, scope="session")
def _quick_flush() -> Iterator[None]:
    """Delete only what a test made: TRUNCATE is slow on PostgreSQL, and making permissions anew takes 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: prepared.empty_tables())
        yield


@pytest.fixture
def alice(transactional_db: None) -> User:
    return _person("alice@example.com")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return _person("bob@example.com")


@pytest.fixture
def sam(transactional_db: None) -> User:
    return _person("sam@example.com", is_staff=True, is_superuser=True)


def _person(email: str, **fields: bool) -> User:
    return User.objects.create(email=email, password=_hashed_password(), **fields)


@lru_cache(maxsize=1)
def _hashed_password() -> str:
    return make_password(PASSWORD)


@pytest.fixture(autouse=True, scope="session")
def _quick_hashes() -> Iterator[None]:
    """Hash passwords with less work: a log-in takes a fifth of a second of pure computing otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Argon2PasswordHasher, "time_cost", 1)
        patch.setattr(Argon2PasswordHasher, "memory_cost", 1024)  # KiB
        yield


@pytest.fixture
def wallet(alice: User) -> Wallet:
    """Alice's account, with the 3 welcome credits."""
    return ledger.wallet_of(alice.pk)


@pytest.fixture
def give(wallet: Wallet) -> Callable[[int], None]:
    """Give Alice more credits."""

    def grant(credits: int) -> None:
        source = CreditGrant.Source.STAFF
        reference = f"test:{CreditGrant.objects.count()}"
        books.grant(wallet=wallet, credits=credits, source=source, reference=reference, cause="test")

    return grant


@pytest.fixture
def sandbox() -> str:
    """The address of the running sandbox upstream."""
    environment.SANDBOX.ensure()
    return f"http://127.0.0.1:{SANDBOX_PORT}"


@dataclass
class Api:
    """A developer's view of the API: a client and a key."""

    client: Client
    key: ApiKey
    secret: str

    def post(self, body: Any, path: str = "/v1/reve-image/generate", **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}", **headers}
        return self.client.post(path, body, content_type="application/json", headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.secret}", **headers})


@pytest.fixture
def api(alice: User, client: Client) -> Api:
    """The API with a key of Alice's that no rate limit gets in the way of."""
    key, secret = keys.mint(user=alice, name="test", rate_limit=100_000)
    return Api(client, key, secret)


@pytest.fixture
def generation(wallet: Wallet) -> Generation:
    """A queued generation of Alice's, its credit held."""
    request = admission.ImageRequest(prompt="a lighthouse")
    return admission.admit(wallet=wallet, request=request).generation


@pytest.fixture
def images(tmp_path: Any, settings: Any) -> None:
    """Keep this test's images, exports and uploads to itself."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path, "allow_overwrite": True}},
        "private": {
            **settings.STORAGES["private"],
            "OPTIONS": {"location": tmp_path.with_name(f"{tmp_path.name}-private"), "allow_overwrite": True},
        },
    }


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent to the database from now on, whatever thread sends it."""
    sent: list[str] = []
    cursor: Any = CursorWrapper
    execute = cursor._execute_with_wrappers

    def noted(self: CursorWrapper, sql: str, *args: Any, **kwargs: Any) -> Any:
        sent.append(sql)
        return execute(self, sql, *args, **kwargs)

    monkeypatch.setattr(cursor, "_execute_with_wrappers", noted)
    return sent


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Log nothing: what is logged goes into the test's report, and some of it no other process could read."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def _postman(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send each mail as soon as it is put down for good: no worker runs here."""

    def tell_on_commit(task: str, pk: int) -> None:
        if all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            mail.send(pk)  # a test's own transaction is none of the site's
        else:
            transaction.on_commit(lambda: mail.send(pk))

    monkeypatch.setattr(mail, "tell_on_commit", tell_on_commit)
    monkeypatch.setitem(mail._away, "until", 0.0)


@pytest.fixture(autouse=True, scope="session")
def _static_files() -> Iterator[None]:
    """Have the static files collected once somebody asks for them, and look through them once.

    WhiteNoise does so for each new client; over the whole suite that took as long as the tests themselves.
    """
    load_manifest = ManifestStaticFilesStorage.load_manifest
    add_files, look_through = WhiteNoise.add_files, WhiteNoise.update_files_dictionary
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def load_collected_manifest(self: ManifestStaticFilesStorage) -> Any:
        prepared.collect_static()
        return load_manifest(self)

    def add_collected_files(self: WhiteNoise, root: Any, prefix: str) -> None:
        prepared.collect_static()
        add_files(self, root, prefix)

    def update_files_dictionary(self: WhiteNoise, root: str, prefix: str) -> None:
        if (root, prefix) not in found:
            look_through(self, root, prefix)
            found[root, prefix] = self.files
        self.files = {**self.files, **found[root, prefix]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ManifestStaticFilesStorage, "load_manifest", load_collected_manifest)
        patch.setattr(WhiteNoise, "add_files", add_collected_files)
        patch.setattr(WhiteNoise, "update_files_dictionary", update_files_dictionary)
        yield
