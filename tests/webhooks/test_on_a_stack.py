"""On a whole installation: an image is asked for over the API, and its receiver hears of it."""

from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from tests.installation import Stack, wait_until
from tests.webhooks.receivers import Call, receiving

pytestmark = pytest.mark.stack

SECRET = """
from billing.models import Wallet
from generator.webhooks import signing
print(signing.reveal(signing.signer_of(Wallet.objects.get(user__email="{email}")).secret))
"""


def test_an_image_is_told_of_a_moment_after_it_is_there(stack: Stack) -> None:
    email = f"told-{uuid4().hex[:8]}@example.com"
    with receiving() as receivers, stack.developer(email, credits=3) as client:
        body = {"prompt": "a lighthouse", "webhook_url": receivers.url("/first3/")}
        image = client.post("/v1/reve-image/generate", json=body).json()
        assert image["status"] == "completed"

        def told() -> Call | None:
            return next((call for call in receivers.calls if call.json["data"]["id"] == image["id"]), None)

        call = wait_until(told, 60)
        secret = stack.manage("shell", "-v", "0", "-c", SECRET.format(email=email)).strip()
        message = Webhook(secret).verify(call.body, call.headers)
        assert message["type"] == "image.completed"
        assert client.get(message["data"]["url"]).content[:4] == b"\x89PNG"
        refused = client.post("/v1/reve-image/generate", json={"prompt": "x", "webhook_url": "ftp://example.com/"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "webhook_url")
        wait_until(lambda: "webhooks" not in client.get("/readyz").json()["attention"])  # whose answers are seconds old
        assert "webhooks" in client.get("/readyz").json()["age_seconds"]
