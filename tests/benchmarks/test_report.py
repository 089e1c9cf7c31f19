"""The figures become tables, and the tables come between the marks and nowhere else."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import report
from benchmarks.load.flight import Flight
from benchmarks.load.measure import Row
from benchmarks.load.throughput import Throughput
from benchmarks.load.waiting import Waiting

PARTS = ("web", "rest", "worker", "scheduler", "other", "PostgreSQL", "Redis")


def row(clients: int, rate: float, ms: float) -> Row:
    return Row(clients, rate, 10.0, 20.0, {"202": 100}, {"web": ms, "PostgreSQL": 0.5, "Redis": 9.0}, {"web": 100.0})


def figures() -> dict[str, Any]:
    each = dict.fromkeys(PARTS, 1.0)
    ours = Throughput(
        sync=[row(1, 50, 5), row(32, 60, 5)],
        image={**each, "worker": 12.0, "rest": 15.0},
        running=[row(1, 300, 1), row(32, 600, 1)],
        stopped=[row(1, 400, 1), row(32, 900, 1.5)],
        idle=each,
        idle_cores=each,
    )
    theirs = [row(1, 60, 9.5), row(32, 100, 9.5)]
    flight = Flight(10_000, 9_999, 8_000, 5.5, 1.2, 60.0, 300.0, each)
    waited = Waiting(2_000, 1_998, 120.0, 3_996, 130.0, 2_000, 500.0, each, 5.0, 6.0, 9.0)
    whole: dict[str, Any] = {
        "LiteLLM": theirs,
        "Portkey": theirs,
        "reveweb": ours,
        "flight": [flight],
        "waiting": [waited],
    }
    told: dict[str, Any] = {
        name: [asdict(one) for one in value] if isinstance(value, list) else asdict(value)
        for name, value in whole.items()
    }
    return told | {
        "payments": [0.01] * 29 + [0.4],
        "date": "2026-11-27",
        "machine": "2 cores",
        "commit": "abc",
        "busy": 0.01,
    }


@pytest.mark.parametrize(
    ("goal", "here"),
    [
        ("admission, 32 clients, worker running, to LiteLLM", "6.0 ×"),
        ("admission, 32 clients, worker stopped, to LiteLLM", "9.0 ×"),
        ("its processor to LiteLLM's", "0.20 ×"),  # the Redis that others use too is in neither
        ("sync call, 1 client, p50, to LiteLLM's", "1.0 ×"),
        ("an image's processor in the worker, until its answer", "12 ms"),
        ("and in the worker of all the rest, all in", "27 ms"),
        ("10,000 in flight: completed", "9,999"),
        ("… a neighbour's p95 to what it was", "1.2 ×"),
        ("a Stripe event while 1,000 submits hang, p95", "0.01 s"),
    ],
)
def test_each_goal_stands_beside_what_came_out(goal: str, here: str) -> None:
    [line] = [line for line in report.tables(figures()).splitlines() if line.startswith(f"| {goal} |")]
    assert line.split(" | ")[2].removesuffix(" |") == here


def test_every_table_has_as_many_cells_in_each_row() -> None:
    blocks = [block for block in report.tables(figures()).split("\n\n") if block.startswith("|")]
    assert len(blocks) == 10
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_a_quick_run_has_tables_too() -> None:
    quick = {
        name: value for name, value in figures().items() if name not in ("Portkey", "flight", "waiting", "payments")
    }
    assert "| 32 | 100 (1.0 ×) | 600 (6.0 ×) | 900 (9.0 ×) | 60 (0.6 ×) |" in report.tables(quick)


def test_only_what_lies_between_the_marks_is_written(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"Before.\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n")
    report.write("| new |\n", document)
    assert document.read_text() == f"Before.\n\n{report.BEGIN}\n\n| new |\n\n{report.END}\n\nAfter.\n"
    with pytest.raises(ValueError, match="marks"):
        report.write("", Path(__file__).with_name("__init__.py"))


def test_the_document_has_the_marks() -> None:
    text = report.DOCUMENT.read_text()
    assert (text.count(report.BEGIN), text.count(report.END)) == (1, 1)
