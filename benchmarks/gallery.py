"""Whether 100,000 images feel like 100: `.venv/bin/python -m benchmarks.gallery` (about a minute for each database).

Fills a database of its own with one account of 100 images and one of 100,000, and asks the gallery for pages of both.
The newest page of the small account is the unit: everything is given as a multiple of its time. Runs on SQLite, and on
PostgreSQL too where that answers on its standard local port. At last it packs a ZIP of 20 images and one of 200, and
says how much memory each took beside one image's bytes.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from tests import ROOT

if TYPE_CHECKING:
    from billing.models import Wallet
    from generator.models import Generation

SMALL, LARGE = 100, 100_000
ROUNDS = 7
ZIPPED = (20, 200)
ZIPPED_BYTES = 2_000_000
SERVER = "postgres://postgres@127.0.0.1:5432/"
DATABASE = "reveweb_gallery_benchmark"
RATIOS = ("3:2", "2:3", "1:1", "16:9", "4:3")


def main() -> None:
    """Measure on every database there is."""
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        _child(folder, f"sqlite:///{folder}/benchmark.sqlite3")
    if _psql(f"DROP DATABASE IF EXISTS {DATABASE}") and _psql(f"CREATE DATABASE {DATABASE}"):
        with tempfile.TemporaryDirectory() as folder:
            print("PostgreSQL")
            try:
                _child(folder, SERVER + DATABASE)
            finally:
                _psql(f"DROP DATABASE IF EXISTS {DATABASE}")
    else:
        print("PostgreSQL does not answer on its standard local port.")


def _child(folder: str, database: str) -> None:
    environment = {**os.environ, "VAR_DIR": folder, "ENV_FILE": "", "DATABASE_URL": database, "REDIS_URL": ""}
    subprocess.run([sys.executable, "-m", "benchmarks.gallery", "measure"], cwd=ROOT, env=environment, check=True)


def _psql(statement: str) -> bool:
    command = ["psql", "-q", "-h", "127.0.0.1", "-U", "postgres", "-c", statement]
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def measure() -> None:
    """Fill the database that the environment names, and print the table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    small, large = _wallet("small@example.com"), _wallet("large@example.com")
    _fill(small, SMALL)
    _fill(large, LARGE)
    _settle()
    times = {name: _seconds(ask) for name, ask in _questions(small, large).items()}
    unit = next(iter(times.values()))
    for name, seconds in times.items():
        print(f"  {name:<52} {seconds / unit:6.1f} x ({seconds * 1000:6.1f} ms here)")
    _pack()


def _questions(small: "Wallet", large: "Wallet") -> dict[str, Callable[[], object]]:
    from django.http import QueryDict

    from generator.library import listing
    from generator.library.filters import filters_of

    key = large.generations.exclude(api_key=None).values_list("api_key_id", flat=True)[0]
    sources = {"studio": "Studio", "api": "API", f"key-{key}": "a key"}
    middle, last = (large.generations.order_by("pk")[at].public_id for at in (LARGE // 2, 30))
    day = (large.generations.order_by("pk")[LARGE // 2].created_at).date().isoformat()

    def ask(wallet: "Wallet", query: str = "", before: str = "") -> Callable[[], object]:
        return lambda: listing.page(wallet, filters_of(QueryDict(query), sources), before=before)

    return {
        "newest page of 100 images": ask(small),
        "newest page of 100,000": ask(large),
        "a page in the middle": ask(large, before=middle),
        "the last page": ask(large, before=last),
        "search: a frequent word": ask(large, "q=w7"),
        "search: a frequent word and a rare one": ask(large, "q=w7+zeppelin"),
        "search: a word of 20 prompts": ask(large, "q=zeppelin"),
        "search: a word of no prompt": ask(large, "q=nowherefound"),
        "search: two letters of no prompt": ask(large, "q=qj"),
        "favourites (1 in 50)": ask(large, "favourites=1"),
        "a ratio that no image has": ask(large, "ratio=9:16"),
        "studio": ask(large, "source=studio"),
        "API": ask(large, "source=api"),
        "one key (1 in 10)": ask(large, f"source=key-{key}"),
        "one day, far back": ask(large, f"from={day}&to={day}"),
        "until a day far back": ask(large, f"to={day}"),
        "a day without images": ask(large, "from=2001-01-01&to=2001-01-01"),
        "everything at once, to no image": ask(
            large, f"q=nowherefound&favourites=1&ratio=1:1&source=key-{key}&to={day}"
        ),
    }


def _seconds(ask: Callable[[], object]) -> float:
    ask()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _pack() -> None:
    """Say how much memory a ZIP takes at most, as a multiple of one image."""
    from unittest.mock import patch

    from generator.files import archive, images
    from generator.models import Generation

    generation = Generation.objects.select_related("api_key")[0]
    for count in ZIPPED:
        with patch.object(images, "read", lambda name: bytes(ZIPPED_BYTES)):
            tracemalloc.start()
            sent = sum(map(len, archive.stream(generation for _ in range(count))))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        print(
            f"  a ZIP of {count} images, {sent / 1e6:.0f} MB: {peak / ZIPPED_BYTES:.1f} x one image in memory at most"
        )


def _wallet(email: str) -> "Wallet":
    from accounts.models import User
    from billing import ledger

    return ledger.wallet_of(User.objects.create_user(email).pk)


def _fill(wallet: "Wallet", count: int) -> None:
    """Give `account` finished images over the last year, one in ten by a key, with words as rare as words are."""
    from accounts.models import ApiKey
    from generator.models import Generation

    key = ApiKey.objects.create(user_id=wallet.user_id, name="shop", prefix=f"p{wallet.pk}", digest="0" * 64)
    chance = random.Random(wallet.pk)
    words = [f"w{number}" for number in range(3000)]
    odds = [1 / (rank + 3) for rank in range(len(words))]
    for start in range(0, count, 5000):
        rows = []
        for number in range(start, min(start + 5000, count)):
            prompt = " ".join(chance.choices(words, odds, k=30)) + (" zeppelin" if number % 5000 == 77 else "")
            rows.append(_row(wallet, prompt, number, count, key.pk if number % 10 == 0 else None))
        Generation.objects.bulk_create(rows, batch_size=1000)


def _row(wallet: "Wallet", prompt: str, number: int, count: int, key: int | None) -> "Generation":
    from django.utils import timezone

    from generator.models import Generation
    from kit.text import folded

    made = timezone.now() - timedelta(days=365) * (1 - number / count)
    return Generation(
        wallet=wallet,
        api_key_id=key,
        prompt=prompt,
        search_text=folded(prompt),
        aspect_ratio=RATIOS[number % len(RATIOS)],
        request_digest="0" * 64,
        deadline_at=made,
        created_at=made,
        finished_at=made,
        status=Generation.Status.COMPLETED,
        file_extension="png",
        width=1536,
        height=1024,
        colour="#808080",
        is_favourite=number % 50 == 0,
    )


def _settle() -> None:
    """Let the database learn what is in its tables, as its own upkeep does within minutes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "PRAGMA optimize")


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["measure"] else main()
