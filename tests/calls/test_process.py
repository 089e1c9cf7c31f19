"""The request log of a web process: what was answered is written when the process ends, too."""

from pathlib import Path

import httpx
import pytest

from billing.models import Wallet
from generator.models import ApiCall
from tests.conftest import Api
from tests.processes import web

pytestmark = pytest.mark.services


def test_nothing_is_lost_on_sigterm(api: Api, wallet: Wallet, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {api.secret}"}
    ids = set()
    with web(tmp_path) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        for _ in range(3):
            drawn = client.post("/v1/reve-image/generate", json={"prompt": "a lighthouse", "async": True})
            ids.add(drawn.headers["X-Request-Id"])
            for _ in range(20):
                look = client.get(f"/v1/reve-image/status/{drawn.json()['id']}")
            ids.add(look.headers["X-Request-Id"])
        for _ in range(5):
            ids.add(client.post("/v1/reve-image/generate", json={}).headers["X-Request-Id"])
        # The process is told to end now, before a second has passed.
    assert set(ApiCall.objects.values_list("request_id", flat=True)) == ids
    assert sorted(ApiCall.objects.filter(is_look_up=True).values_list("count", flat=True)) == [20, 20, 20]
