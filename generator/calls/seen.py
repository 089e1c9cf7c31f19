"""A call as it was seen, before anybody looked into its bodies: what costs the call itself next to nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

LOOKS = ("GET", "HEAD")
REPEATED = (429,)  # refusals that a program may get by the thousand
ANY_PATH = "…"


@dataclass(slots=True)
class Seen:
    """One call and its answer. Whose it is, is told by the ids, or by the fingerprint of the key that was sent."""

    request_id: str
    wallet_id: int | None
    api_key_id: int | None
    key_prefix: str
    key_digest: str
    is_test: bool
    method: str
    path: str
    status: int
    duration_ms: int
    credits: int
    ip: str | None
    user_agent: str
    at: datetime
    request_headers: Mapping[str, str] = field(default_factory=dict)
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: bytes = b""
    request_bytes: int = 0
    answer_body: bytes = b""
    about: list[str] = field(default_factory=list)  # ids of images, as far as views name them
    charged: list[int] = field(default_factory=list)  # credits, beside `credits`, that no answer could tell
    count: int = 1
    last_at: datetime | None = None

    @property
    def is_look_up(self) -> bool:
        """Whether it only read, and got an answer: most of all calls are."""
        return self.method in LOOKS and self.status < 400

    @property
    def is_refusal(self) -> bool:
        """Whether it was refused: nothing limits how many of these there are."""
        return 400 <= self.status < 500

    @property
    def whose(self) -> int | str:
        """The key that it came with."""
        return self.api_key_id or self.key_digest

    @property
    def kind(self) -> tuple[object, ...] | None:
        """What it is counted together with, in one row; None for what has a row of its own."""
        if self.path == ANY_PATH:
            return self.whose, self.status
        if self.is_look_up or self.status in REPEATED:
            return self.whose, self.method, self.path, self.status
        return None

    @property
    def cost(self) -> int:
        """The credits that it was charged, as far as that is known by now."""
        return self.credits + sum(self.charged)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return 1500 + len(self.request_body) + len(self.answer_body)

    def blurred(self) -> "Seen":
        """Return this call as one of many refusals, wherever they went and whatever they said."""
        self.path, self.request_body = ANY_PATH, b""
        return self

    def counted(self, earlier: "Seen") -> "Seen":
        """Return this call as the last of several, of which `earlier` stands for those before."""
        self.count, self.last_at, self.at = earlier.count + 1, self.at, earlier.at
        self.credits += earlier.cost
        return self
