"""reve.com's own package, as its README uses it."""

import os
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reve import ReveClient
from reve.exceptions import ReveAPIError, ReveRateLimitError
from reve.v1.image import create, edit, get_balance, list_effects, remix
from reve.v1.postprocessing import effect, fit_image, remove_background, upscale
from reve.v2.image import create as create_with_layout

from tests.conformance.drivers.telling import FACTS, main, picture, row

RICH = ReveClient(api_token=FACTS.key, api_url=FACTS.url)
POOR = ReveClient(api_token=FACTS.poor, api_url=FACTS.url)
NOBODY = ReveClient(api_token="papi.of-another-site", api_url=FACTS.url)
READER = ReveClient(api_token=FACTS.reader, api_url=FACTS.url)
PNG = Path(FACTS.png)


def raised(call: Callable[[], Any]) -> str:
    """Return what a call raises, as far as programs look at it."""
    try:
        return f"nothing was raised: {call()}"
    except ReveAPIError as error:
        named = (error.params or {}).get("param")
        words = [type(error).__name__, error.status_code, error.error_code, named]
        return " ".join(str(word) for word in words if word is not None)


@row("create", "an image")
def _() -> str:
    return picture(create("a lighthouse", client=RICH).image_bytes)


@row("create", "aspect_ratio 16:9")
def _() -> str:
    return picture(create("a lighthouse", client=RICH, aspect_ratio="16:9").image_bytes)


@row("create", "aspect_ratio auto")
def _() -> str:
    return picture(create("a lighthouse", client=RICH, aspect_ratio="auto").image_bytes)


@row("create", "version by a model’s name")
def _() -> str:
    return create("a lighthouse", client=RICH, version="text2image_v1").version or ""


@row("create", "version latest, test_time_scaling 3")
def _() -> str:
    made = create("a lighthouse", client=RICH, version="latest", test_time_scaling=3)
    return f"{made.version}, {made.credits_used} credit"


@row("create", "request_id, credits used and remaining")
def _() -> str:
    made = create("a lighthouse", client=RICH)
    is_less = 0 < (made.credits_remaining or 0) < FACTS.credits
    return f"{(made.request_id or '')[:4]}, {made.credits_used} used, {'fewer' if is_less else 'not fewer'} remain"


@row("create", "saved to a file")
def _() -> str:
    path = Path(FACTS.folder) / "saved.png"
    create("a lighthouse", client=RICH).save(str(path))
    return picture(path.read_bytes())


@row("create", "postprocessing fit_image")
def _() -> str:
    return picture(create("a lighthouse", client=RICH, postprocessing=[fit_image(max_dim=300)]).image_bytes)


for _name, _step in (("upscale", upscale()), ("remove_background", remove_background()), ("effect", effect("sepia"))):

    @row("create", f"postprocessing {_name}")
    def _(step: Any = _step) -> str:
        return raised(lambda: create("a lighthouse", client=RICH, postprocessing=[step]))


@row("create", "address and key from the environment")
def _() -> str:
    os.environ |= {"REVE_API_HOST": f"{FACTS.url}/", "REVE_API_TOKEN": FACTS.key}
    return picture(create("a lighthouse").image_bytes)


@row("create", "a refused prompt")
def _() -> str:
    return raised(lambda: create("a lighthouse [sandbox:refuse]", client=RICH))


@row("create", "an image that fails")
def _() -> str:
    return raised(lambda: create("a lighthouse [sandbox:fail]", client=RICH))


@row("create", "a blank prompt")
def _() -> str:
    return raised(lambda: create(" ", client=RICH))


@row("create", "a version that is not there")
def _() -> str:
    return raised(lambda: create("a lighthouse", client=RICH, version="no-such-model"))


@row("create", "a wrong key")
def _() -> str:
    return raised(lambda: create("a lighthouse", client=NOBODY))


@row("create", "a key that may not")
def _() -> str:
    return raised(lambda: create("a lighthouse", client=READER))


@row("create", "no credits")
def _() -> str:
    return raised(lambda: create("a lighthouse", client=POOR))


@row("create", "too many requests, and again after retry_after")
def _() -> str:
    slow = ReveClient(api_token=FACTS.slow, api_url=FACTS.url)
    create("a lighthouse", client=slow)
    try:
        create("a lighthouse", client=slow)
    except ReveRateLimitError as error:
        is_soon = isinstance(error.retry_after, float) and 1 <= error.retry_after <= 60
        return f"{error.error_code}, retry_after {'in a minute' if is_soon else error.retry_after}"
    return "it was let through"


@row("create", "longer than the wait, and again after retry_after")
def _() -> str:
    alone = ReveClient(api_token=FACTS.alone, api_url=FACTS.url)
    before, refusals = get_balance(client=alone)["new_balance"], 0
    while refusals < 20:
        try:
            made = create("a lighthouse [sandbox:slow-image]", client=alone)
            paid = before - get_balance(client=alone)["new_balance"]
            first = "refused first" if refusals else "not refused"
            return f"{first}, then {picture(made.image_bytes)}, {paid} credit paid"
        except ReveRateLimitError as error:
            if error.error_code != "STILL_DRAWING":
                raise
            refusals += 1
            time.sleep(min(2.0, float(error.retry_after or 0)))
    return "it never came"


@row("create", "a body that is too large")
def _() -> str:
    return raised(lambda: create("x" * 100_000, client=RICH))


@row("edit", "a picture from a file")
def _() -> str:
    return picture(edit("make it night", str(PNG), client=RICH).image_bytes)


@row("edit", "a picture’s bytes")
def _() -> str:
    return picture(edit("make it night", PNG.read_bytes(), client=RICH, aspect_ratio="1:1").image_bytes)


@row("edit", "bytes that are no picture")
def _() -> str:
    return raised(lambda: edit("make it night", b"no picture", client=RICH))


@row("edit", "no credits")
def _() -> str:
    return raised(lambda: edit("make it night", PNG.read_bytes(), client=POOR))


@row("remix", "two pictures, named in the prompt")
def _() -> str:
    data = PNG.read_bytes()
    return picture(remix("<img>0</img> beside <img>1</img>", [data, data], client=RICH, aspect_ratio="3:2").image_bytes)


@row("remix", "a prompt that names a picture too many")
def _() -> str:
    return raised(lambda: remix("like <img>1</img>", [PNG.read_bytes()], client=RICH))


@row("remix", "a wrong key")
def _() -> str:
    return raised(lambda: remix("like <img>0</img>", [PNG.read_bytes()], client=NOBODY))


@row("balance", "the balance")
def _() -> str:
    told = get_balance(client=RICH)
    is_right = 0 < told["new_balance"] <= FACTS.credits
    return f"{sorted(told)}, {'right' if is_right else 'wrong'}"


@row("balance", "a wrong key")
def _() -> str:
    return raised(lambda: get_balance(client=NOBODY))


@row("effects", "a list")
def _() -> str:
    return str(list_effects("preset", client=RICH))


@row("v2 create", "layouts are not offered")
def _() -> str:
    return raised(lambda: create_with_layout("a lighthouse", client=RICH))


main(version("reve"))
