"""Which lane a request takes and how large its body may be, by its path: the only such lists."""

from enum import Flag, auto

KIB = 1024
API_BODY_BYTES = 64 * KIB
MIB = 1024 * KIB
PICTURE_JSON_BYTES = 28 * MIB  # a picture of 20 MB in base64, and words
PAGE_BODY_BYTES = 256 * KIB  # the largest form is a thousand images picked in the gallery, 40 KiB


class Lane(Flag):
    """What holds for a path; `PAGE` is none of it."""

    PAGE = 0
    HELD = auto()  # may wait for minutes: async from the server to the view, and nothing of a page's middleware
    API = auto()  # answers in JSON, whatever happens
    PLAIN = auto()  # is called by programs that read no pages


LANES = {
    "/v1/": Lane.HELD | Lane.API,
    "/v2/": Lane.HELD | Lane.API,  # where there is nothing yet, and a program asks
    "/api/": Lane.HELD | Lane.API,  # what older clients of Reve's call
    "/mcp/": Lane.HELD | Lane.API,
    "/images/": Lane.HELD | Lane.PLAIN,
    "/shared/": Lane.HELD | Lane.PLAIN,
    "/healthz": Lane.HELD | Lane.PLAIN,
    "/readyz": Lane.HELD | Lane.PLAIN,
    "/metrics": Lane.HELD | Lane.PLAIN,
    "/events/": Lane.HELD | Lane.PLAIN,
    "/doctor/": Lane.HELD | Lane.PLAIN,
    "/stripe/webhook/": Lane.PLAIN,
}

MOST_BYTES = {
    "/stripe/webhook/": 1024 * KIB,  # an event carries a whole object, such as an invoice with its lines
}

# Where pictures are brought, and grants: how large a form with files may be. Bodies of these paths wait on the disk.
PICTURE_FORM_BYTES = {
    "/v1/reve-image/edit": 41 * MIB,  # a picture and a mask of 20 MB
    "/v1/reve-image/remix": 121 * MIB,  # six of them
    "/v1/images/edit": 41 * MIB,
    "/v1/images/remix": 121 * MIB,
    "/v1/images/edits": 141 * MIB,  # as OpenAI's clients send them
    "/v1/image/edit": 41 * MIB,  # as older clients of Reve's do
    "/v1/image/remix": 121 * MIB,
    "/v1/files": 21 * MIB,
    "/uploads": 21 * MIB,
    "/admin/billing/creditgrant/import": 13 * MIB,  # a file of 100,000 grants
    "/create/generate": 141 * MIB,  # without a script: six pictures and a mask that is not asked for
}
_FORM = "multipart/form-data"


def lane_of(path: str) -> Lane:
    """Return the lane of a request for `path`."""
    if path in ("/v1", "/v2", "/api", "/mcp"):
        path += "/"
    return next((lane for prefix, lane in LANES.items() if path.startswith(prefix)), Lane.PAGE)


def brings_pictures(path: str) -> bool:
    """Tell whether pictures may come with a request for `path`."""
    return path.rstrip("/") in PICTURE_FORM_BYTES


def most_bytes(path: str, content_type: str = "") -> int:
    """Return how many bytes the body of a request for `path` may have."""
    if brings_pictures(path):
        path = path.rstrip("/")
        is_form = content_type.strip().lower().startswith(_FORM)
        if is_form:
            return PICTURE_FORM_BYTES[path]
        if not path.startswith("/v1/"):
            return PAGE_BODY_BYTES
        return API_BODY_BYTES if path == "/v1/files" else PICTURE_JSON_BYTES
    if Lane.HELD in lane_of(path):
        return API_BODY_BYTES
    return next((most for prefix, most in MOST_BYTES.items() if path.startswith(prefix)), PAGE_BODY_BYTES)
