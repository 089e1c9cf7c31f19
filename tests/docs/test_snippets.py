"""Every piece of code in the documentation, run as a reader would run it, against a running installation.

A fence's options say what its page promises, and readers don't see them: `prints=…` or `saves=…` for code that runs (it
prints nothing without one), `case=…` for an answer that no sample above it shows.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from reveweb.docs import book, rendering
from reveweb.docs.code import LANGUAGES, Code
from tests import ROOT
from tests.docs.shapes import normalised, shape
from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack

PROMPT = {"prompt": "A red fox in fresh snow"}
COMMANDS = {
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-s", "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
# The first model can edit and remix, as the documentation has it.
EDITS = """
from generator.models import ImageModel, Operation, Route, Upstream
ImageModel.objects.filter(slug="text2image_v1").update(
    operations=list(Operation.values), sizes=["1K"], qualities=["high"]
)
for operation in (Operation.EDIT, Operation.REMIX):
    Route.objects.get_or_create(model=ImageModel.objects.get(slug="text2image_v1"), operation=operation,
                                upstream=Upstream.objects.get(slug="reve"))
"""
CONFORMANCE = ROOT / "tests" / "conformance"
PLACEHOLDERS = ("YOUR_API_KEY", "IMAGE_ID", "IMAGE_URL")


def _blocks(wanted: Callable[[Code], bool]) -> list[Any]:
    """Name the groups of code that begin with what is wanted, by page and number."""
    found = []
    for page in book.PAGES:
        groups = rendering.code_groups((book.SOURCES / f"{page.slug}.md").read_text())
        found += [
            pytest.param(page.slug, number, id=f"{page.slug}-{number + 1}")
            for number, group in enumerate(groups)
            if wanted(group[0])
        ]
    return found


@dataclass
class Reader:
    """Somebody with an account, a key and an image, who tries what the documentation says."""

    stack: Stack
    email: str
    client: httpx.Client
    image: dict[str, Any]
    test_key: str

    def groups(self, slug: str) -> list[list[Code]]:
        page = book.find(slug)
        assert page
        return rendering.code_groups(book.source(page, self.stack.url))

    @property
    def key(self) -> str:
        return self.client.headers["Authorization"].removeprefix("Bearer ")

    def filled(self, text: str) -> str:
        """Put this reader's own things where the documentation has placeholders."""
        for name, value in zip(PLACEHOLDERS, (self.key, self.image["id"], self.image["url"]), strict=True):
            text = text.replace(name, value)
        return text

    def run(self, code: Code, folder: Path) -> str:
        """Run a sample in an empty folder and return what it prints. Fails the test when the sample fails."""
        folder.mkdir()
        for ending, language in book.CLIENT_FILES.items():
            (folder / f"reveweb.{ending}").write_text(book.client(language, self.stack.url))
        command = [*COMMANDS[code.language], self.filled(code.text)]
        if "client" in code.options:  # a package that the reader has installed
            if code.language == "python":
                command[0] = str(CONFORMANCE / ".venvs" / code.options["client"] / "bin" / "python")
            (folder / "node_modules").symlink_to(CONFORMANCE / "node_modules")
        own = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        key = self.test_key if code.options.get("key") == "test" else self.key
        environment = own | {"REVEWEB_API_KEY": key}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90
        )
        assert done.returncode == 0, f"{code.language}:\n{code.text}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def packages() -> None:
    """Install what readers of some pages have, where it was not installed before."""
    markers = ["tests/conformance/.venvs/openai/.installed", "tests/conformance/node_modules/.installed"]
    subprocess.run(["make", "--silent", *markers], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def reader(stack: Stack) -> Iterator[Reader]:
    email = f"reader-{uuid4().hex[:8]}@example.com"
    with stack.developer(email, credits=200) as client:
        stack.manage("shell", "-c", EDITS)
        image = client.post("/v1/reve-image/generate", json=PROMPT).json()
        yield Reader(stack, email, client, image, stack.manage("create_api_key", email, "--test"))


# --- Code that runs ----------------------------------------------------------------------------------------------


def test_the_tools_that_a_reader_has_are_there() -> None:
    assert [tool for tool in ("bash", "curl", "node") if not shutil.which(tool)] == []


# Those of the client packages are run where these are installed (`tests/clients/test_packages.py`).
@pytest.mark.parametrize(
    ("slug", "number"), _blocks(lambda code: code.language in LANGUAGES and "package" not in code.options)
)
def test_a_sample_does_what_its_page_says(
    transactional_db: None, request: Any, reader: Reader, tmp_path: Path, slug: str, number: int
) -> None:
    groups = reader.groups(slug)
    group = groups[number]
    if any("client" in code.options for code in group):
        request.getfixturevalue("packages")
    with ThreadPoolExecutor(len(group)) as pool:
        printed = list(pool.map(lambda code: reader.run(code, tmp_path / code.language), group))
    answers = [following[0] for following in groups[number + 1 : number + 3]]
    for code, output in zip(group, printed, strict=True):
        _check_output(reader, code, output, answers)
        if name := code.options.get("saves"):
            with Image.open(tmp_path / code.language / name) as image:
                image.load()
                assert image.format == "PNG"


def _check_output(reader: Reader, code: Code, output: str, answers: list[Code]) -> None:
    kind = code.options.get("prints", "nothing")
    one_url = rf"{re.escape(reader.stack.url)}/images/[0-9A-Za-z]{{32}}\.png"
    if kind == "json":
        shown = next((answer for answer in answers if answer.language == "json"), None)
        if shown is None:  # nothing is shown of it, so it has to be an image like those that are
            assert json.loads(output)["status"] == "completed"
        else:
            _assert_as_shown(shown, json.loads(output))
    elif kind == "image":  # whatever else the page shows after it
        assert json.loads(output)["status"] == "completed"
    elif kind == "text":
        [shown] = [answer for answer in answers if answer.language == "text"]
        assert normalised(output) == normalised(shown.text.strip())
    else:
        patterns = {
            "nothing": "",
            "url": one_url,
            "status_url": f"completed {one_url}",
            "urls": rf"{one_url}\n{one_url}\n{one_url}",
            "id": r"img_[0-9A-Za-z]{24}",
            "status": "completed",
            "same": "[Tt]rue",
        }
        assert re.fullmatch(patterns[kind], output), f"{code.text}\nprinted\n{output}"


def _assert_as_shown(shown: Code, answered: Any) -> None:
    documented = json.loads(shown.text)
    assert shape(answered) == shape(documented)
    assert normalised(_telling(answered)) == normalised(_telling(documented))


def _telling(body: Any) -> Any:
    """What of an answer must be word for word as documented: its status, and all that an error says."""
    return {name: value for name, value in body.items() if name in ("status", "error")}


# --- Answers that are shown --------------------------------------------------------------------------------------


class Answers:
    """How to get the server to answer what the documentation shows, by the name that a fence gives it."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.client = reader.client

    def generate(self, **fields: Any) -> httpx.Response:
        return self.client.post("/v1/reve-image/generate", json=PROMPT | fields)

    def openai_refused(self) -> httpx.Response:
        return self.client.post("/v1/images/generations", json={"prompt": "[sandbox:refuse] a fox"})

    def status(self, image_id: str) -> httpx.Response:
        return self.client.get(f"/v1/reve-image/status/{image_id}")

    def completed(self) -> httpx.Response:
        return self.generate()

    def failed(self) -> httpx.Response:
        return self.generate(prompt="[sandbox:fail] a fox")

    def pending(self) -> httpx.Response:
        image_id = self.generate(prompt="[sandbox:never] a fox", **{"async": True}).json()["id"]

        def drawing() -> httpx.Response | None:
            answer = self.status(image_id)
            return answer if answer.json()["stage"] == "drawing" else None

        return wait_until(drawing)

    def listed(self) -> httpx.Response:
        self.generate()
        self.generate()
        return self.client.get("/v1/reve-image", params={"limit": 1, "status": "completed", "q": PROMPT["prompt"]})

    def status_failed(self) -> httpx.Response:
        return self.status(self.failed().json()["id"])

    def invalid_request(self) -> httpx.Response:
        return self.generate(aspect_ratio="5:1")

    def rate_limited(self) -> httpx.Response:
        secret = self.reader.stack.manage("create_api_key", self.reader.email, "--rate-limit", "1")
        headers = {"Authorization": f"Bearer {secret}"}
        first, second = (
            self.client.post("/v1/reve-image/generate", json=PROMPT | {"async": True}, headers=headers)
            for _ in range(2)
        )
        assert first.status_code == 202
        assert int(second.headers["Retry-After"]) > 0
        return second

    def insufficient_credits(self) -> httpx.Response:
        with self.reader.stack.developer(f"poor-{uuid4().hex[:8]}@example.com") as poor:
            while (answer := poor.post("/v1/reve-image/generate", json=PROMPT | {"async": True})).is_success:
                pass
        return answer


@pytest.mark.parametrize(("slug", "number"), _blocks(lambda code: code.language == "json" and "case" in code.options))
def test_an_answer_is_as_shown(transactional_db: None, reader: Reader, slug: str, number: int) -> None:
    [shown] = reader.groups(slug)[number]
    answer = getattr(Answers(reader), shown.options["case"])()
    _assert_as_shown(shown, answer.json())
    if promised := re.search(r"\d{3}", shown.title):
        assert answer.status_code == int(promised[0])


def test_every_json_is_compared_with_an_answer(transactional_db: None, reader: Reader) -> None:
    for page in book.PAGES:
        groups = reader.groups(page.slug)
        for before, [code, *_] in zip([[], *groups], groups, strict=False):
            if code.language == "json" and "case" not in code.options and not code.title.endswith(".json"):  # a file
                assert before[0].options["prints"] in ("json", "text"), f"{page.slug}: {code.text}"


# --- Headers and endpoints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slug", "number"), _blocks(lambda code: code.language == "http"))
def test_an_endpoint_or_header_is_as_shown(transactional_db: None, reader: Reader, slug: str, number: int) -> None:
    [shown] = reader.groups(slug)[number]
    lines = reader.filled(shown.text).replace("{image_id}", reader.image["id"]).splitlines()
    if shown.options["case"] == "endpoint":
        method, url = lines[0].split()
        with Image.new("RGB", (64, 64)) as picture:
            picture.save(file := BytesIO(), "PNG")
        own: dict[str, Any] = {"files": {"file": ("a.png", file.getvalue())}}
        if "{file_id}" in url:
            url = url.replace("{file_id}", reader.client.post("/v1/files", **own).json()["id"])
        pictures = {"image": reader.image["id"], "images": [reader.image["id"]], "async": True}
        sent = (
            own
            if url.endswith("/files")
            else {"json": PROMPT | (pictures if url.endswith(("/edit", "/remix")) else {})}
        )
        answer = httpx.request(method, url, headers=reader.client.headers, timeout=60, **sent)
        assert answer.status_code == (202 if "image" in sent.get("json", {}) else 200), answer.text
    elif shown.options["case"] == "authorization":
        headers = dict([lines[0].split(": ", 1)])
        url = f"{reader.stack.url}/v1/reve-image/status/{reader.image['id']}"
        assert httpx.get(url, headers=headers).status_code == 200
    else:
        answered = reader.client.post("/v1/reve-image/generate", json=PROMPT).headers
        for name, value in (line.split(": ", 1) for line in lines):
            assert normalised(answered[name]) == normalised(value), name


# --- What was sent to us -----------------------------------------------------------------------------------------


def test_programs_written_for_the_reve_art_api_run_when_their_address_changes(reader: Reader, tmp_path: Path) -> None:
    """The two clients of the public document, word for word but for the address, the key and what they print."""
    python = Code("python", (Path(__file__).parent / "reve_art_client.py.txt").read_text(), {})
    node = Code("javascript", (Path(__file__).parent / "reve_art_client.mjs.txt").read_text(), {})
    for code in (python, node):
        here = Code(code.language, code.text.replace("https://reve-art.example", reader.stack.url), {})
        output = reader.run(here, tmp_path / code.language)
        assert re.fullmatch(rf"Image URL: {re.escape(reader.stack.url)}/images/\w+\.png", output)


def test_the_repository_says_nothing_of_its_own_about_the_api() -> None:
    """docs/api.md leads to the documentation and is no second truth that could go stale."""
    text = (ROOT / "docs" / "api.md").read_text()
    assert "reveweb/docs/pages" in text
    assert "```" not in text
    assert len(text.splitlines()) < 40
