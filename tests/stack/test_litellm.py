"""LiteLLM's proxy as an upstream: the sandbox behind it, and the dialect of OpenAI's Images API in front.

It is installed by `make benchmarks/litellm/.venv/.installed`, for itself: what it is made of takes minutes and most of
a gigabyte, and nothing of it comes near reveweb's own environment.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from generator.models import Operation
from generator.upstreams.dialect import Job, Order
from generator.upstreams.openai_images import OpenAIImages
from generator.upstreams.transport import Access
from tests import ROOT
from tests.environment import free_port, stop
from tests.generator.dialects.conftest import (
    Peer,
    colour_at,
    judged,
    left_half,
    opened,
    order_for,
    picture_of,
    serve,
    sheet,
    speak,
)

PROGRAM = ROOT / "benchmarks" / "litellm" / ".venv" / "bin" / "litellm"
KEY = "sk-for-this-test-alone"
START_SECONDS = 240  # it takes half a minute on an idle machine

pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="no LiteLLM here: make benchmarks/litellm/.venv/.installed"),
    pytest.mark.timeout(START_SECONDS + 120),
]


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a proxy that has one model, OpenAI's at the sandbox, under a name of its own."""
    folder = tmp_path_factory.mktemp("litellm")
    sandbox, behind = serve(str(folder / "sandbox"), SANDBOX_SECONDS="0")
    port = free_port()
    model = {"model": "openai/gpt-image-1", "api_base": f"{behind}/openai/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "picture", "litellm_params": model, "model_info": {"mode": "image_generation"}}],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "router_settings": {"disable_cooldowns": True, "num_retries": 0},
        "general_settings": {"master_key": KEY},
    }
    path = folder / "litellm.json"
    path.write_text(json.dumps(config))  # which YAML is too
    proxy = _proxy(path, port)
    try:
        end = time.monotonic() + START_SECONDS
        while not _is_up(port, proxy):
            assert time.monotonic() < end
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(proxy)
        stop(sandbox)


def _proxy(config: Path, port: int) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return subprocess.Popen(
        [
            *(str(PROGRAM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
            *("--num_workers", "1", "--telemetry", "False"),
        ],
        cwd=config.parent,
        env={**inherited, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )


def _is_up(port: int, proxy: subprocess.Popen[bytes]) -> bool:
    assert proxy.poll() is None
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/liveliness", timeout=20).status_code == 200
    except httpx.HTTPError:
        return False


def test_it_draws_edits_and_judges_as_any_other_upstream_does(litellm: str) -> None:
    """One test, as the proxy takes long to start."""
    peer = Peer("litellm", OpenAIImages, model="picture")
    for root in ("", "/v1"):
        there = Peer("litellm", OpenAIImages, root, "picture")
        order = order_for(there, "a lighthouse", aspect_ratio="3:2")
        job, data = _drawn(there, litellm, order)
        assert (job.state, opened(data).size) == ("completed", (1536, 1024))

    order = order_for(peer, "a hat", operation=Operation.EDIT, inputs=(sheet((210, 20, 20)),), mask=left_half())
    _, data = _drawn(peer, litellm, order)
    assert colour_at(opened(data), (80, 30)) == (210, 20, 20) != colour_at(opened(data), (10, 30))

    inputs = (sheet((210, 20, 20)), sheet((20, 190, 30)))
    order = order_for(peer, "both", operation=Operation.REMIX, inputs=inputs)
    assert judged(_with_key(peer, litellm), order) == "drawn"

    faults = {
        "refuse": "refused",
        "unauthorized": "key_refused",
        "forbidden": "key_refused",
        "not-found": "not_found",
        "error500": "Unclear",
        "cut-off": "Unclear",
        "payment": "Busy",  # it tells no code of it, and words alone close no upstream
        "no-url": "no picture",
        "truncated": "bad picture",
    }
    found = {mode: judged(_with_key(peer, litellm), order_for(peer, f"a [sandbox:{mode}]")) for mode in faults}
    assert found == faults

    unknown = Peer("litellm", OpenAIImages, model="no-such-model")
    assert judged(_with_key(unknown, litellm), order_for(unknown, "a tree")) == "not_found"
    assert judged(peer.at(litellm), order_for(peer, "a tree")) == "key_refused"  # another key than its own


def _drawn(peer: Peer, root: str, order: Order) -> tuple[Job, bytes]:
    return speak(_with_key(peer, root), lambda dialect: picture_of(dialect, order))


def _with_key(peer: Peer, root: str) -> OpenAIImages:
    return OpenAIImages(Access(root + peer.path, KEY))
