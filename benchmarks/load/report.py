"""The figures of a run as tables in Markdown, with machine and date, between two marks of docs/performance.md."""

import math
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.load.client import percentile
from tests import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- what `make bench` writes -->", "<!-- the end of it -->"
Figures = dict[str, Any]


def circumstances(checkout: Path, busy: float) -> Figures:
    """Return what the figures hold for: the day, the machine and how many cores others kept `busy`, the versions."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in cpuinfo.splitlines() if line.startswith("model name")), "")
    git = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores ({model or platform.machine()}), Python {platform.python_version()}",
        "commit": commit,
        "busy": busy,
    }


def tables(figures: Figures) -> str:
    """Return all tables that there are figures for."""
    parts = [
        f"{figures['date']}, {figures['machine']}, reveweb at {figures['commit']}. Before it began, others kept "
        f"{figures['busy']:.2f} cores busy."
    ]
    if "reveweb" in figures:
        parts += [_goals(figures), *_throughput(figures), _image(figures["reveweb"])]
    elif "LiteLLM" in figures:
        parts.append(_rows("LiteLLM", figures["LiteLLM"]))
    if "flight" in figures:
        parts.append(_flights(figures["flight"]))
    if "waiting" in figures:
        parts.append(_waiting(figures["waiting"]))
    if "payments" in figures:
        p95 = percentile([float(one) for one in figures["payments"]], 0.95)
        parts.append(f"Events of Stripe's while a thousand submits hang: handled within {_seconds(p95)} at p95.")
    return "\n\n".join(parts) + "\n"


def write(text: str, document: Path = DOCUMENT) -> None:
    """Put `text` between the marks of the document. Raises ValueError when they are missing."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document.name} lacks the marks {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown, the first column aligned left and the others right."""
    columns = list(head)
    rule = ["---", *["--:"] * (len(columns) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [columns, rule, *rows])


def _throughput(figures: Figures) -> Iterable[str]:
    """Yield requests a second, latencies, processor and memory, by clients."""
    ours = figures["reveweb"]
    who: Figures = {name: figures[name] for name in ("LiteLLM", "Portkey") if name in figures}
    who |= {"admission": ours["running"], "admission, worker stopped": ours["stopped"], "sync call": ours["sync"]}
    clients = [row["clients"] for row in ours["running"]]
    base = {row["clients"]: row for row in figures.get("LiteLLM", [])}

    def rate(row: Figures) -> str:
        share = f" ({row['rate'] / base[row['clients']]['rate']:.1f} ×)" if row["clients"] in base else ""
        return f"{row['rate']:.0f}{share}{_refused(row)}"

    def latency(row: Figures) -> str:
        return f"{row['p50']:.1f} / {row['p95']:.1f}"

    def cpu(row: Figures) -> str:
        return f"{_cost(row):.1f}"

    for title, cell in (
        ("Requests a second (and as a multiple of LiteLLM's)", rate),
        ("Latency in ms, p50 / p95", latency),
        ("Processor in ms a request, of all its processes and PostgreSQL's", cpu),
    ):
        rows = [[str(count), *(cell(rows[at]) for rows in who.values())] for at, count in enumerate(clients)]
        yield f"{title}:\n\n{table(['clients', *who], rows)}"
    named = list(ours["idle"])
    at = -1
    shares = [
        [title, *(f"{rows[at]['cpu'].get(part, 0):.2f}" for part in named)]
        for title, rows in (("admission", ours["running"]), ("admission, worker stopped", ours["stopped"]))
    ]
    yield f"Processor in ms an admission, {clients[at]} clients, by process:\n\n{table(['', *named], shares)}"
    memory = [["reveweb, idle", *(f"{ours['idle'].get(part, 0):.0f}" for part in named), _sum(ours["idle"])]]
    last = ours["stopped"][at]["memory"]
    memory.append(["reveweb, under load", *(f"{last.get(part, 0):.0f}" for part in named), _sum(last)])
    for name in who.keys() & {"LiteLLM", "Portkey"}:
        memory.append([name, *[""] * len(named), _sum(who[name][at]["memory"])])
    cores = ["cores", *(f"{ours['idle_cores'].get(part, 0):.3f}" for part in named)]
    yield f"Processor with nothing to do:\n\n{table(['', *named], [cores])}"
    yield f"Memory in MiB, shared pages counted once:\n\n{table(['', *named, 'together'], memory)}"


def _goals(figures: Figures) -> str:
    """Return what was asked beside what came out."""
    ours, theirs = figures["reveweb"], figures.get("LiteLLM")
    rows = []
    if theirs:
        running, stopped, base, sync = (
            _at(rows, 32) for rows in (ours["running"], ours["stopped"], theirs, ours["sync"])
        )
        sync, alone = _at(ours["sync"], 1), _at(theirs, 1)
        rows += [
            ["admission, 32 clients, worker running, to LiteLLM", "≥ 5 ×", f"{running['rate'] / base['rate']:.1f} ×"],
            ["admission, 32 clients, worker stopped, to LiteLLM", "≥ 8 ×", f"{stopped['rate'] / base['rate']:.1f} ×"],
            ["its processor to LiteLLM's", "≤ 0.2 ×", f"{_cost(stopped) / _cost(base):.2f} ×"],
            ["sync call, 1 client, p50, to LiteLLM's", "≤ 2 ×", f"{sync['p50'] / alone['p50']:.1f} ×"],
        ]
    image = ours["image"]
    rows += [
        ["an image's processor in the worker, until its answer", "≤ 15 ms", f"{image['worker']:.0f} ms"],
        ["and in the worker of all the rest, all in", "≤ 35 ms", f"{image['worker'] + image['rest']:.0f} ms"],
    ]
    for flight in figures.get("flight", []):
        if flight["count"] == 10_000:
            rows += [
                ["10,000 in flight: completed", "10,000", f"{flight['completed']:,}"],
                ["… looks an image", "≤ 6", f"{flight['looks']:.1f}"],
                ["… noticed, p95", "≤ 1.5 s", f"{flight['noticed_p95']:.2f} s"],
                ["… the worker's memory", "≤ 400 MB", f"{flight['memory'] * 1.048576:.0f} MB"],
            ]
    for waited in figures.get("waiting", []):
        if waited["count"] == 2_000:
            beside = waited["beside_waiting"] / waited["alone"]
            rows += [
                [
                    "2,000 callers and 2,000 streams: the web's memory",
                    "≤ 600 MB",
                    f"{waited['memory'] * 1.048576:.0f} MB",
                ],
                ["… callers answered, p95", "≤ 250 ms", f"{waited['answered_p95']:.0f} ms"],
                ["… pages told, p95", "≤ 250 ms", f"{waited['told_p95']:.0f} ms"],
                ["… a neighbour's p95 to what it was", "≤ 1.5 ×", f"{beside:.1f} ×"],
            ]
    if "payments" in figures:
        p95 = percentile([float(one) for one in figures["payments"]], 0.95)
        rows.append(["a Stripe event while 1,000 submits hang, p95", "≤ 1 s", _seconds(p95)])
    return table(["goal", "asked", "here"], rows)


def _image(ours: Figures) -> str:
    named = list(ours["image"])
    cells = ["an image", *(f"{ours['image'][part]:.1f}" for part in named)]
    title = f"a sync image of a megapixel, thumbnails included (to decode it alone: {ours['decoding']:.1f})"
    return f"Processor in ms {title}:\n\n{table(['', *named], [cells])}"


def _flights(flights: list[Figures]) -> str:
    head = [
        "in flight",
        "completed",
        "at once",
        "after s",
        "looks",
        "noticed p95, s",
        "worker MiB",
        "worker ms",
        "all ms",
    ]
    rows = [
        [
            f"{one['count']:,}",
            f"{one['completed']:,}",
            f"{one['peak']:,}",
            f"{one['seconds']:.0f}",
            f"{one['looks']:.1f}",
            f"{one['noticed_p95']:.2f}",
            f"{one['memory']:.0f}",
            f"{one['cpu']['worker']:.1f}",
            f"{_cost(one):.1f}",
        ]
        for one in flights
    ]
    return f"In flight at an upstream that takes 20 s, tiny images (processor an image):\n\n{table(head, rows)}"


def _waiting(waits: list[Figures]) -> str:
    head = ["callers and streams", "answered", "p95, ms", "told", "p95, ms", "web MiB", "web, cores"]
    head += ["PostgreSQL, cores", "neighbour alone, p95 ms", "beside those who wait", "beside answers"]
    rows = [
        [
            f"{one['count']:,} and {one['streams']:,}",
            f"{one['answered']:,}",
            f"{one['answered_p95']:.0f}",
            f"{one['told']:,}",
            f"{one['told_p95']:.0f}",
            f"{one['memory']:.0f}",
            f"{one['cores']['web']:.2f}",
            f"{one['cores']['PostgreSQL']:.2f}",
            f"{one['alone']:.1f}",
            f"{one['beside_waiting']:.1f}",
            f"{one['beside_answers']:.1f}",
        ]
        for one in waits
    ]
    return f"Waiting, two callers and two pages an account:\n\n{table(head, rows)}"


def _rows(name: str, rows: list[Figures]) -> str:
    cells = [[str(row["clients"]), f"{row['rate']:.0f}", f"{row['p50']:.1f}", f"{_cost(row):.1f}"] for row in rows]
    return table([f"{name}, clients", "a second", "p50, ms", "processor, ms"], cells)


def _at(rows: list[Figures], clients: int) -> Figures:
    return next(row for row in rows if row["clients"] == clients)


def _cost(row: Figures) -> float:
    """Ms of processor a request, of all its parts but the Redis that it may share with others."""
    return sum(float(ms) for part, ms in row["cpu"].items() if part != "Redis")


def _sum(memory: dict[str, float]) -> str:
    return f"{sum(mib for part, mib in memory.items() if part != 'Redis'):.0f}"


def _refused(row: Figures) -> str:
    failed = sum(count for status, count in row["statuses"].items() if not status.startswith("2"))
    return f", {failed} refused" if failed else ""


def _seconds(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.2f} s"
