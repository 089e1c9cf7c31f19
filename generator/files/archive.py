"""Many images as one ZIP that is made while it is sent: never more of it in memory than one image."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from contextlib import aclosing, suppress
from datetime import UTC
from tempfile import SpooledTemporaryFile

from zipstream import ZIP_STORED, ZipStream

from generator.files import images, marks
from generator.models import Generation
from kit import storage
from kit.http.csv_export import to_csv
from kit.text import hyphenated
from kit.threads import let_go

MANIFEST = "prompts.csv"
HEAD = ("file", "prompt", "negative_prompt", "ratio", "width", "height", "made_utc", "source", "model", "id", "note")
MISSING = "This image's file was missing."
MANIFEST_IN_MEMORY = 1024 * 1024  # bytes; a longer one waits on the disk
PIECE = 256 * 1024  # bytes that are gathered before they are sent, so that small ones cost no round of their own


class _Packing:
    """A ZIP of completed generations, uncompressed (images are that already), and last what they were asked for.

    A file that storage no longer has is left out, and the manifest says so.
    """

    def __init__(self) -> None:
        self._archive = ZipStream(compress_type=ZIP_STORED)
        self._manifest = SpooledTemporaryFile(max_size=MANIFEST_IN_MEMORY)  # noqa: SIM115 (`__exit__` does)
        self._manifest.write(to_csv([HEAD]).encode("utf-8-sig"))  # with the mark by which spreadsheets know UTF-8

    def __enter__(self) -> "_Packing":
        return self

    def __exit__(self, *_: object) -> None:
        self._manifest.close()

    def pack(self, generations: Iterable[Generation]) -> Generator[bytes, None, None]:
        """Yield the archive's bytes with these images. Raises StorageAway."""
        for generation in generations:
            name = file_name(generation)
            note = ""
            let_go()  # the storage may keep us waiting
            try:
                data = marks.carried(images.read(generation.file_name), marks.mark_of(generation))
                self._archive.add(_pieces(data), name)
            except FileNotFoundError:
                name, note = "", MISSING
            self._manifest.write(to_csv([_row(generation, name, note)]).encode())
            yield from self._archive.all_files()

    def close(self) -> Generator[bytes, None, None]:
        """Yield the archive's last bytes."""
        self._manifest.seek(0)
        self._archive.add(iter(lambda: self._manifest.read(PIECE), b""), MANIFEST)
        yield from self._archive.finalize()


def stream(generations: Iterable[Generation]) -> Generator[bytes, None, None]:
    """Yield a ZIP of completed generations (`_Packing`).

    Raises StorageAway: a ZIP that breaks off is asked for again, where one that lacks images may be taken for all there
    is.
    """
    with _Packing() as packing:
        yield from packing.pack(generations)
        yield from packing.close()


async def stream_async(batches: AsyncIterator[Iterable[Generation]]) -> AsyncGenerator[bytes, None]:
    """Yield a ZIP of all of the batches, read in a thread a piece at a time: a slow reader holds no thread."""
    with _Packing() as packing:
        async for batch in batches:
            async with aclosing(_in_time(packing.pack(batch))) as pieces:
                async for piece in pieces:
                    yield piece
        async with aclosing(_in_time(packing.close())) as pieces:
            async for piece in pieces:
                yield piece


async def _in_time(chunks: Generator[bytes, None, None]) -> AsyncGenerator[bytes, None]:
    try:
        while piece := await storage.in_time(lambda: _gather(chunks)):
            yield piece
    finally:
        with suppress(ValueError):  # whoever went away in the middle of a piece: its thread still reads
            chunks.close()


def file_name(generation: Generation) -> str:
    """Return a name that sorts by time and can be told from the others: day, first words, end of the id."""
    words = hyphenated(generation.prompt[:400])
    day = generation.created_at.astimezone(UTC).date().isoformat()
    # Ids differ by case too, and some file systems do not tell that: the number does.
    parts = (day, words, f"{generation.pk}-{generation.public_id[-4:]}")
    return "_".join(part for part in parts if part) + f".{generation.file_extension}"


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))


def _gather(chunks: Iterator[bytes]) -> bytes:
    """Return the next chunks as one piece of about `PIECE` bytes, empty at the end."""
    piece = bytearray()
    for chunk in chunks:
        piece += chunk
        if len(piece) >= PIECE:
            break
    return bytes(piece)


def _row(generation: Generation, name: str, note: str) -> tuple[object, ...]:
    key = generation.api_key
    return (
        name,
        generation.prompt,
        generation.negative_prompt,
        generation.aspect_ratio,
        generation.width,
        generation.height,
        generation.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        key.name if key else "Studio",
        generation.model,
        generation.public_id,
        note,
    )
