"""Counts what a storm left behind. Runs as a process of its own with the installation's settings:

    python -m tests.chaos.audit FOLDER SECONDS

FOLDER/storm.json says what the storm knows: {"seed", "accepted": ids that clients hold, "faults": [name, start, end]s}.
Waits up to SECONDS for unfinished images to end, and prints a list of violations as JSON.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from PIL import Image

django.setup()

from django.core.files.storage import default_storage  # noqa: E402 (Django has to be set up first)

from billing.models import CreditEntry, Wallet  # noqa: E402
from billing.staff import audit as staff_audit  # noqa: E402
from generator.files import images, shared_mark  # noqa: E402
from generator.models import Generation  # noqa: E402
from tests.billing import books  # noqa: E402
from tests.chaos.fates import fate_of, is_picture_of  # noqa: E402

Status = Generation.Status
THUMBNAILS_WITHIN = 90.0  # seconds: they are made when nobody else wants the processor, which others have here too
ENOUGH = 10  # images that were completed, for a storm to prove something
WORKING = ("worker", "database", "redis", "valkey")  # whoever acts on a job leans on these


def main(folder: Path, seconds: float) -> None:
    """Wait, look, and print."""
    storm = json.loads((folder / "storm.json").read_text())
    end = time.monotonic() + seconds
    while _is_drawing() and time.monotonic() < end:
        time.sleep(0.2)
    end = time.monotonic() + THUMBNAILS_WITHIN
    while _lacks_thumbnails() and time.monotonic() < end:
        time.sleep(0.2)
    # What is tidied up a moment later is no fault; what is wrong for good costs the wait.
    patience = time.monotonic() + 10
    while True:
        found = list(violations(storm, *sent_of(folder)))
        if not found or time.monotonic() > patience:
            break
        time.sleep(1)
    counts = Counter(Generation.objects.values_list("status", flat=True))
    codes = Counter(Generation.objects.exclude(error_code="").values_list("error_code", flat=True))
    print(json.dumps({"violations": found, "counts": counts, "codes": codes}))


def _is_drawing() -> bool:
    return Generation.objects.filter(status__in=Generation.UNFINISHED).exists()


def _lacks_thumbnails() -> bool:
    return Generation.objects.completed().filter(needs_thumbnails=True, deleted_at=None).exists()


def sent_of(folder: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return what the upstream wrote down of each prompt's sendings, in order; and the prompts of its ids."""
    sent, owners = defaultdict(list), {}
    for line in (folder / "upstream" / "sent.jsonl").read_text().splitlines():
        entry = json.loads(line)
        sent[entry["prompt"]].append(entry["word"])
        if entry["id"]:
            owners[entry["id"]] = entry["prompt"]
    return sent, owners


def violations(storm: dict[str, Any], sent: dict[str, list[str]], owners: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for everything that is not as it was promised."""
    rows = list(Generation.objects.select_related("wallet"))
    yield from _promises(storm, rows)
    yield from _sendings(sent, rows)
    yield from _ends(storm, sent, rows)
    yield from _money(rows)
    yield from _files(rows)
    yield from _mistaken(rows, owners)


def _promises(storm: dict[str, Any], rows: list[Generation]) -> Iterator[str]:
    known = {row.public_id for row in rows}
    for id in storm["accepted"]:
        if id not in known:
            yield f"{id} was accepted, and there is no such row"
    for prompt, count in Counter(row.prompt for row in rows).items():
        if count > 1:
            yield f"{count} rows for the prompt “{prompt}”"
    for row in rows:
        if not row.is_final:
            yield f"{row} ({row.prompt}) is stuck: {row.status}, due {row.due_at:%T}, deadline {row.deadline_at:%T}"


def _sendings(sent: dict[str, list[str]], rows: list[Generation]) -> Iterator[str]:
    known = {row.prompt for row in rows}
    for prompt, words in sent.items():
        if prompt not in known:
            yield f"“{prompt}” was sent and has no row"
        for number, word in enumerate(words[:-1]):
            if word in ("accepted", "unclear", "refused"):
                yield f"“{prompt}” was sent again after “{word}”: {', '.join(words[number:])}"
                break


def _ends(storm: dict[str, Any], sent: dict[str, list[str]], rows: list[Generation]) -> Iterator[str]:
    completed = 0
    for row in rows:
        words = sent.get(row.prompt, [])
        completed += row.status == Status.COMPLETED
        if row.status == Status.COMPLETED and "accepted" not in words:
            yield f"{row} ({row.prompt}) is completed, and the upstream never took it: {words}"
        if row.status != Status.FAILED or row.error_code == "timed_out" or _was_disturbed(storm, row):
            continue
        if not words or words[-1] in ("waits", "trouble"):
            yield f"{row} ({row.prompt}) failed as {row.error_code}, though the upstream said only: {words}"
        elif words[-1] == "accepted" and fate_of(storm["seed"], row.prompt).is_good:
            yield f"{row} ({row.prompt}) failed as {row.error_code} in good weather: {row.error_message}"
    if completed < min(len(rows) / 5, ENOUGH):
        yield f"only {completed} of {len(rows)} were completed, which proves little"
    for row in rows:
        if any(word in row.error_message for word in ("sk-evil", "127.0.0.1", "http:")):
            yield f"{row} says what its upstream said: {row.error_message}"


def _was_disturbed(storm: dict[str, Any], row: Generation) -> bool:
    """Whether anything was broken while `row` was on its way."""
    assert row.finished_at
    begun, ended = row.created_at.timestamp(), row.finished_at.timestamp()
    return any(begun <= end + 10 and ended >= start for _, start, end in storm["faults"])


def _money(rows: list[Generation]) -> Iterator[str]:
    yield from staff_audit.drifts()
    for wallet in Wallet.objects.all():
        try:
            books.audit(wallet)
        except AssertionError as error:
            yield f"the books of {wallet}: {error}"
    kinds = defaultdict(list)
    chain = CreditEntry.objects.values_list("reference", "of__reference", "of__of__reference", "kind", "amount")
    for *references, kind, amount in chain:
        about = next((reference for reference in references if reference), "")
        if about.startswith("generation:"):
            kinds[about.split(":")[1]].append((kind, amount))
    for row in rows:
        end = ("settle", 0) if row.status == Status.COMPLETED else ("release", row.credits)
        entries = sorted(kinds.pop(row.public_id, []))
        if row.is_final and entries != [("hold", -row.credits), end]:
            yield f"{row} is {row.status}, and its entries are {entries}"
    for id, entries in kinds.items():
        yield f"entries of {id}, which is no row: {entries}"


def _files(rows: list[Generation]) -> Iterator[str]:
    files = [path for path in Path(default_storage.location).rglob("*") if path.is_file()]  # type: ignore[attr-defined]
    # A worker that was killed leaves its mark.
    there = {path.name for path in files if path.parent.name != shared_mark.FOLDER}
    for row in rows:
        mine = {name for name in there if name.startswith(row.file_token)}
        there -= mine
        if row.status == Status.FAILED and mine:
            yield f"{row} failed and has files: {sorted(mine)}"
        if row.status == Status.COMPLETED:
            yield from _image_of(row, mine)
    if there:
        yield f"files of no row: {sorted(there)[:5]}"


def _mistaken(rows: list[Generation], owners: dict[str, str]) -> Iterator[str]:
    """Yield who got another's picture, unless the upstream gave them an id that nobody could know to be another's."""
    known = Counter(row.upstream_id for row in rows)
    for row in rows:
        if row.status != Status.COMPLETED or not default_storage.exists(images.path_of(row.file_name)):
            continue
        with default_storage.open(images.path_of(row.file_name)) as file, Image.open(file) as image:
            is_its_own = is_picture_of(image, row.prompt)
        is_told_wrong = owners.get(row.upstream_id) != row.prompt and known[row.upstream_id] == 1
        if not is_its_own and not is_told_wrong:
            yield f"{row} ({row.prompt}) is another's picture: {row.upstream_id} is of {owners.get(row.upstream_id)}"


def _image_of(row: Generation, mine: set[str]) -> Iterator[str]:
    thumbnails = {Path(images.thumbnail_name(row.file_token, side)).name for side in images.THUMBNAIL_SIDES}
    if row.deleted_at and row.needs_thumbnails:  # thrown away before they were made
        thumbnails = mine - {row.file_name}
    if mine != {row.file_name, *thumbnails}:
        yield f"{row} is completed and has the files {sorted(mine)}, not {row.file_name} and its thumbnails"
    if row.file_name not in mine:
        return
    with default_storage.open(images.path_of(row.file_name)) as file, Image.open(file) as image:
        image.load()
        if images.EXTENSIONS[image.format or ""] != row.file_extension or image.size != (row.width, row.height):
            yield f"{row} is {image.format} {image.size}, and its row says {row.file_name} {row.width}x{row.height}"
        if file.size != row.file_size:
            yield f"{row} has {file.size} bytes, and its row says {row.file_size}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
