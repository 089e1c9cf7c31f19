"""What the document's examples are made of: one image, one file, one model, the same wherever they appear."""

from typing import Any

from generator.models import PROMPT_REFUSED

Json = dict[str, Any]

IMAGE_ID = "img_7Kx2mQ9vTfR4sWbN1cYpLhJd"
FILE_ID = "file_9TfR4sWbN1cYpLhJd7Kx2mQ9"
PROMPT = "A red fox in fresh snow"
A_FILE: Json = {"type": "string", "format": "binary"}
EVENT: Json = {
    "type": "object",
    "description": "One event of the stream; `data` is the image's JSON, as a status look-up answers it.",
    "required": ["event", "data"],
    "properties": {"event": {"type": "string", "const": "status"}, "data": {"type": "string"}},
}
UPLOAD_FORM: Json = {
    "title": "UploadForm",
    "type": "object",
    "description": "A picture to keep.",
    "required": ["file"],
    "properties": {"file": {**A_FILE, "description": "A PNG, JPEG or WebP of up to 20 MB."}},
}
LINKS = ("url", "status_url", "cancel_url", "events_url")  # of the site that the document is about
PENDING = {
    "id": IMAGE_ID,
    "status": "pending",
    "stage": "queued",
    "status_url": f"/v1/reve-image/status/{IMAGE_ID}",
    "cancel_url": f"/v1/reve-image/{IMAGE_ID}/cancel",
    "events_url": f"/v1/reve-image/{IMAGE_ID}/events",
}
COMPLETED = {
    "id": IMAGE_ID,
    "status": "completed",
    "url": "/images/Vb3nK8sQ1xZt6LwY0fHdR5mCpJ2aGu9E.png",
    "metadata": {"prompt": PROMPT, "width": 1024, "height": 1024, "created_at": "2026-01-15T09:30:00Z"},
}
MODEL = {"model": "text2image_v1"}
ASKED = {"operation": "create", "model": "text2image_v1", "credits": 1}
A_LIST: Json = {
    "object": "list",
    "data": [{**COMPLETED, "metadata": {**COMPLETED["metadata"], **MODEL}, **ASKED}],  # type: ignore[dict-item]
    "has_more": True,
    "next_cursor": "MTc2ODQ2OTQwMDAwMDAwMC4xNw",
}
CANCELS: dict[str, Json] = {
    "pending": {
        "cancelled": False,
        "credits_charged": 1,
        "message": "It is being made already, and goes on: it costs 1 credit if it is drawn.",
    },
    "completed": {"cancelled": False, "credits_charged": 1, "message": "It was finished already, and cost 1 credit."},
    "failed": {"cancelled": True, "credits_charged": 0, "message": "It is cancelled. Your credit was returned."},
}
QUOTED: Json = {
    "dry_run": True,
    "credits": 2,
    "credits_each": 1,
    "credits_remaining": 97,
    "affordable": True,
    "operation": "create",
    "model": "text2image_v1",
    "size": "",
    "quality": "",
    "aspect_ratio": "1:1",
    "n": 2,
}
A_KEPT_FILE: Json = {
    "id": FILE_ID,
    "width": 1536,
    "height": 1024,
    "size": 824112,
    "media_type": "image/jpeg",
    "expires_at": "2026-02-14T09:30:00Z",
}
A_MODEL: Json = {
    "id": "text2image_v1",
    "object": "model",
    "created": 1767225600,
    "owned_by": "Reve Web",
    "name": "Reve Image 1.0",
    "description": "",
    "operations": ["create"],
    "aspect_ratios": ["1:1", "16:9"],
    "sizes": [],
    "qualities": [],
    "seed": False,
    "prices": [{"operation": "create", "size": "", "quality": "", "credits": 1}],
}
A_RATE = {"limit": 60, "remaining": 59, "reset": 12}
A_KEY: Json = {
    "object": "key",
    "id": "rv_E1R7dGq2",
    "kind": "live",
    "name": "Website",
    "scopes": ["generate", "read"],
    "models": ["text2image_v1"],
    "allowed_ips": ["203.0.113.7"],
    "caps": {
        "day": {"limit": 100, "spent": 42, "left": 58, "resets_at": "2026-01-16T00:00:00Z"},
        "month": {"spent": 812, "resets_at": "2026-02-01T00:00:00Z"},
        "lifetime": {"spent": 812},
    },
    "rate_limit": A_RATE,
    "created_at": "2026-01-02T08:00:00Z",
    "last_used_at": "2026-01-15T09:30:00Z",
}
AN_ACCOUNT: Json = {
    "object": "account",
    "balance": 120,
    "buckets": [
        {"source": "plan", "credits": 80, "expires_at": "2026-02-01T00:00:00Z"},
        {"source": "pack", "credits": 40},
    ],
    "plan": {"name": "Pro", "credits": 1000, "renews_at": "2026-02-01T00:00:00Z"},
    "rate_limit": A_RATE,
    "unfinished": 2,
    "max_unfinished": 10,
}
A_USAGE: Json = {
    "object": "usage",
    "from": "2026-01-01",
    "to": "2026-01-31",
    "group_by": ["day", "key"],
    "data": [
        {"day": "2026-01-15", "key": "", "images": 2, "credits": 2, "failed": 0},
        {"day": "2026-01-15", "key": "rv_E1R7dGq2", "key_name": "Website", "images": 40, "credits": 40, "failed": 1},
    ],
    "total": {"images": 42, "credits": 42, "failed": 1},
}
A_TOKEN: Json = {
    "id": "rv_tok_9TfR4sWb",
    "token": f"rv_tok_9TfR4sWb_{'0' * 38}",
    "origin": "https://example.com",
    "credit_cap": 5,
    "expires_at": "2026-01-15T09:40:00Z",
}
WORDS = {  # of failed calls; a look-up may tell other codes too
    PROMPT_REFUSED: "The prompt was refused by the content policy. Your credit was returned.",
    "upstream_failed": "The image could not be generated. Your credit was returned.",
    "cancelled": "You cancelled it. Your credit was returned.",
}
