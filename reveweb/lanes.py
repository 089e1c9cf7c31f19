"""Which lane a request takes, by its path: the only such list."""

from enum import Flag, auto


class Lane(Flag):
    """What holds for a path; `PAGE` is none of it."""

    PAGE = 0
    HELD = auto()  # may wait for minutes: it is async from the server to the view, and no thread is kept for it
    BARE = auto()  # knows no session, cookie or page: it skips the middleware of pages
    API = auto()  # answers in JSON, whatever happens


LANES = {
    "/v1/": Lane.HELD | Lane.BARE | Lane.API,
    "/images/": Lane.HELD | Lane.BARE,
    "/shared/": Lane.HELD | Lane.BARE,
    "/healthz": Lane.HELD | Lane.BARE,
    "/readyz": Lane.HELD | Lane.BARE,
    "/events/": Lane.HELD,
}


def lane_of(path: str) -> Lane:
    """Return the lane of a request for `path`."""
    if path == "/v1":
        return LANES["/v1/"]
    return next((lane for prefix, lane in LANES.items() if path.startswith(prefix)), Lane.PAGE)
