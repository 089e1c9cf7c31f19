"""Which lane a request takes, by its path: the only such list."""

from enum import Flag, auto


class Lane(Flag):
    """What holds for a path; `PAGE` is none of it."""

    PAGE = 0
    HELD = auto()  # may wait for minutes: async from the server to the view, and nothing of a page's middleware
    API = auto()  # answers in JSON, whatever happens


LANES = {
    "/v1/": Lane.HELD | Lane.API,
    "/v2/": Lane.HELD | Lane.API,  # where there is nothing yet, and a program asks
    "/images/": Lane.HELD,
    "/shared/": Lane.HELD,
    "/healthz": Lane.HELD,
    "/readyz": Lane.HELD,
    "/events/": Lane.HELD,
}


def lane_of(path: str) -> Lane:
    """Return the lane of a request for `path`."""
    if path in ("/v1", "/v2"):
        path += "/"
    return next((lane for prefix, lane in LANES.items() if path.startswith(prefix)), Lane.PAGE)
