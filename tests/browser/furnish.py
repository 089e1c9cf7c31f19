"""Fills an installation with people and images, so that pages have something to show.

`new` has nothing yet, `ada` a gallery with a failure, long and right-to-left prompts and a key, `many` thousands of
images, `long` an address of 100 characters and what staff see of a customer, `sam` runs the site.
"""

import hashlib
import re
import time
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import httpx
from PIL import Image

from sandbox.ratios import SIZES
from sandbox.store import VARIATIONS
from tests.installation import Stack

PASSWORD = "correct horse battery"
EMAILS = {
    "new": "new@example.com",
    "ada": "ada@example.com",
    "many": "many@example.com",
    "long": f"somebody.with.{'a.very.' * 6}long.address@{'mail.' * 4}example.com",
    "sam": "sam@example.com",
}
LONG = (
    "An enormous antique cabinet of curiosities photographed straight on, forty-two small drawers of walnut with brass "
    "pulls, each half open: feathers, sea glass, a folded letter, keys, a sleeping dormouse, opals, ticket stubs. "
) * 8
PROMPTS = [
    ("A lighthouse keeper's kitchen at dawn, steam rising from a copper kettle", "3:2"),
    ("A concert poster with the words “Night Garden” in hand-painted letters", "2:3"),
    ("A paper-cut fox crossing a river of folded blue ribbons", "16:9"),
    ("Terraced rice fields under a storm that is about to break", "16:9"),
    ("A single pear on grey linen, window light from the left", "1:1"),
    ("Portrait of a beekeeper, veil lifted, late afternoon", "3:4"),
    ("منارة فوق بحر هادئ عند الفجر، ألوان مائية", "4:3"),
    ("Neon noodle bar in the rain, reflections on wet stone, seen from across the street", "9:16"),
    (LONG[:3900], "4:3"),
    ("Moss", "1:1"),
    ("An observatory on a ridge, star trails, long exposure", "3:2"),
    ("Label for a jar of “Fig & Thyme” jam, letterpress, two colours", "3:4"),
    ("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "1:1"),
    ("A tabby cat asleep on a stack of atlases, late sun through the blinds", "4:3"),
]


@dataclass
class Furnished:
    """A furnished installation: session cookies by person, and addresses to put into paths."""

    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def path(self, template: str) -> str:
        return template.format(**self.places)


def furnish(stack: Stack, *, rounds: int = 1, many: int = 0, painted: bool = True) -> Furnished:
    """Fill `stack`: Ada gets `rounds` times all prompts, and `many` has that many images when asked for.

    Where nobody looks at the images, they need not be `painted` and are of one colour.
    """
    result = Furnished()
    if not painted:
        stretch_canvases(stack, *(prompt for prompt, _ in PROMPTS))
    people = {who: email for who, email in EMAILS.items() if who != "many" or many}
    secret = _pairs(stock(stack, "people", rounds * len(PROMPTS) + 20, *people.values()))["secret"]
    for who, email in people.items():
        result.cookies[who] = log_in(stack.url, email)
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as api:
        wanted = [*PROMPTS * rounds, ("A quiet street [sandbox:fail]", "1:1")]
        jobs = [_ask(api, prompt, ratio) for prompt, ratio in wanted]
        for job in jobs:
            _wait(api, job)
    result.places = _pairs(stock(stack, "gallery", many))
    result.places |= _pairs(stock(stack, "back_office", people["sam"], people["long"]))
    return result


def stretch_canvases(stack: Stack, *prompts: str) -> None:
    """Put an image of one colour where the sandbox keeps what it has painted for each of the `prompts`.

    A painting takes the processor longer than all else that a page does until it is there.
    """
    folder = stack.folder / "sandbox" / "images"
    for ratio, size in SIZES.items():
        plain = folder / f"plain-{ratio}.png"
        if not plain.exists():
            Image.new("RGB", size, "#7a8b9c").save(plain, compress_level=1)
        for prompt, variation in product(prompts, range(VARIATIONS)):
            subject = "\0".join((ratio, "", prompt, str(variation)))
            (folder / f"{hashlib.sha256(subject.encode()).hexdigest()}.png").hardlink_to(plain)


def log_in(url: str, email: str) -> dict[str, str]:
    """Return the cookies of a fresh session."""
    with httpx.Client(base_url=url) as client:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/accounts/login/").text)
        assert token
        form = {"login": email, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = client.post("/accounts/login/", data=form)
        assert answer.status_code == 302, answer.text
        return dict(client.cookies)


def _ask(api: httpx.Client, prompt: str, ratio: str) -> str:
    answer = api.post("/v1/reve-image/generate", json={"prompt": prompt, "aspect_ratio": ratio, "async": True})
    assert answer.status_code in (200, 202), answer.text
    return str(answer.json()["id"])


def _wait(api: httpx.Client, job: str) -> None:
    for _ in range(600):
        if api.get(f"/v1/reve-image/status/{job}").json()["status"] in ("completed", "failed"):
            return
        time.sleep(0.2)
    raise AssertionError(f"{job} did not end")


def stock(stack: Stack, function: str, *arguments: Any) -> str:
    """Call one of `tests.browser.stock` in the installation's own operator process and return what it prints."""
    call = f"from tests.browser import stock; stock.{function}(*{arguments!r})"
    return stack.manage("shell", "-v", "0", "-c", call)


def _pairs(printed: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in printed.split())
