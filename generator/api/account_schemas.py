"""The JSON of what a key may do, of its account, and of browser tokens, as the public document names it."""

from datetime import date
from typing import Annotated, Any, Literal, get_args

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict
from pydantic_core import PydanticCustomError

from accounts import tokens
from accounts.models import KeyScope
from generator.ask.schemas import WRITTEN

Scope = Literal["generate", "read", "account"]
assert list(get_args(Scope)) == KeyScope.values
Part = Literal["day", "key", "model"]
MOST_TOKEN_CREDITS = 1_000_000
USUAL_TOKEN_CREDITS = 10

_TIME: Any = {"format": "date-time"}


def _moment(words: str, example: str = "2026-01-16T00:00:00Z") -> Any:
    return Field(description=f"{words} In UTC.", examples=[example], json_schema_extra=_TIME)


def _maybe_moment(words: str, example: str = "2026-01-16T00:00:00Z") -> Any:
    return Field(default_factory=str, description=f"{words} In UTC.", examples=[example], json_schema_extra=_TIME)


def _maybe_count(words: str, example: int, least: int = 0) -> Any:
    return Field(default_factory=int, description=words, ge=least, examples=[example])


def _maybe(words: str) -> Any:
    return Field(default_factory=dict, description=words)


class Cap(Schema):
    """What may be spent in a period, and what was. Credits of images that fail are given back."""

    limit: int = _maybe_count("Credits. Not there: there is no limit.", 100)
    spent: int = Field(description="Credits spent, or set aside for images that are not finished.", ge=0, examples=[42])
    left: int = _maybe_count("Credits that are left of the limit.", 58)
    resets_at: str = _maybe_moment("When it begins anew, if it does.")


class Caps(Schema):
    """What a key, or a browser token, may spend."""

    day: Cap = _maybe("Of a day in UTC.")
    month: Cap = _maybe("Of a calendar month in UTC.")
    lifetime: Cap = _maybe("In all.")
    token: Cap = _maybe("Of a browser token, as long as it works.")


class Rate(Schema):
    """Where the window of a minute stands in which images are counted."""

    limit: int = Field(description="Images a minute.", ge=0, examples=[60])
    remaining: int = Field(description="How many are left now.", ge=0, examples=[59])
    reset: int = Field(description="Seconds until one more is free.", ge=0, examples=[12])


class Key(Schema):
    """What the key that asks is, and may do. Keys that replaced one another share what they spend."""

    object: Literal["key"] = Field(description="What this is.")
    id: str = Field(description="The key's visible beginning.", examples=["rv_E1R7dGq2"])
    kind: Literal["live", "test", "browser_token"] = Field(description="What sort of key.", examples=["live"])
    name: str = Field(default_factory=str, description="What its owner calls it.", examples=["Website"])
    scopes: list[Scope] = Field(description="What it may do.", examples=[["generate", "read", "account"]])
    models: list[str] = Field(
        default_factory=list, description="The models that it may use; none: all.", examples=[["text2image_v1"]]
    )
    allowed_ips: list[str] = Field(
        default_factory=list,
        description="Addresses and networks that it may be used from; none: every one.",
        examples=[["203.0.113.7", "2001:db8::/32"]],
    )
    origin: str = Field(
        default_factory=str,
        description="The site whose pages may use a browser token.",
        examples=["https://example.com"],
    )
    caps: Caps = Field(description="What it may spend.")
    rate_limit: Rate = _maybe("Not there while it cannot be told.")
    created_at: str = _moment("When it was made.", "2026-01-15T09:30:00Z")
    expires_at: str = _maybe_moment("When it stops working, if it does.")
    last_used_at: str = _maybe_moment("When it was last used, to the minute.", "2026-01-15T09:30:00Z")


class Bucket(Schema):
    """Credits that came in together. Those that expire first are spent first."""

    source: Literal["welcome", "plan", "pack", "staff", "code"] = Field(
        description="What brought them.", examples=["plan"]
    )
    credits: int = Field(description="How many are left.", ge=0, examples=[80])
    expires_at: str = _maybe_moment("When what is left of them expires, if it does.")


class AccountPlan(Schema):
    """The plan that the account is on."""

    name: str = Field(description="What it is called.", examples=["Pro"])
    credits: int = _maybe_count("Credits that each of its periods brings.", 1000)
    renews_at: str = _maybe_moment("When the next period begins, if one does.")
    ends_at: str = _maybe_moment("When it ends, if it was cancelled.")


class Account(Schema):
    """The account that pays: its credits, its plan, and how much it may ask for."""

    object: Literal["account"] = Field(description="What this is.")
    balance: int = Field(description="Credits that can be spent now.", ge=0, examples=[120])
    buckets: list[Bucket] = Field(description="What these consist of, in the order in which they are spent.")
    plan: AccountPlan = _maybe("Not there on the free plan.")
    rate_limit: Rate = _maybe("Not there while it cannot be told.")
    unfinished: int = Field(description="Images that are being made.", ge=0, examples=[2])
    max_unfinished: int = _maybe_count("How many there may be at a time, where the plan says so.", 10)


class UsagePart(Schema):
    """What was asked for, on the day, with the key, and of the model that are named."""

    day: str = Field(
        default_factory=str, description="In UTC.", examples=["2026-01-15"], json_schema_extra={"format": "date"}
    )
    key: str = Field(
        default_factory=str,
        description='The key\'s visible beginning; "" for what was asked for in the studio.',
        examples=["rv_E1R7dGq2"],
    )
    key_name: str = Field(default_factory=str, description="What its owner calls it.", examples=["Website"])
    model: str = Field(default_factory=str, description="What was asked.", examples=["text2image_v1"])
    images: int = Field(description="Images made, or being made.", ge=0, examples=[40])
    credits: int = Field(description="Credits spent on these, or set aside.", ge=0, examples=[40])
    failed: int = Field(description="Images that could not be made, and cost nothing.", ge=0, examples=[1])


class UsageTotal(Schema):
    """All of it together."""

    images: int = Field(description="Images made, or being made.", ge=0, examples=[40])
    credits: int = Field(description="Credits spent on these, or set aside.", ge=0, examples=[40])
    failed: int = Field(description="Images that could not be made, and cost nothing.", ge=0, examples=[1])


class Usage(Schema):
    """What was asked for with the account. Images of test keys are not in it."""

    object: Literal["usage"] = Field(description="What this is.")
    first: str = Field(
        alias="from", description="The first day.", examples=["2026-01-01"], json_schema_extra={"format": "date"}
    )
    last: str = Field(
        alias="to", description="The last day.", examples=["2026-01-31"], json_schema_extra={"format": "date"}
    )
    group_by: list[Part] = Field(description="What it is told apart by.", examples=[["day"]])
    data: list[UsagePart] = Field(description="Those parts in which there was something, in their order.")
    total: UsageTotal = Field(description="All of it together.")


def _origin(value: str) -> str:
    origin = tokens.origin_of(value)
    if origin is None:
        raise PydanticCustomError(
            "origin", "must be an origin as browsers send it: https://example.com, or http://localhost:3000"
        )
    return origin


class TokenRequest(Schema):
    """A browser token to mint. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    origin: Annotated[str, AfterValidator(_origin)] = Field(
        description="The site whose pages may use it: `https://` and its host, or `http://localhost` with a port.",
        examples=["https://example.com"],
        json_schema_extra={"minLength": 1, "maxLength": 255},
    )
    expires_in: int = Field(
        tokens.USUAL,
        description="For how many seconds it works.",
        ge=tokens.SHORTEST,
        le=tokens.LONGEST,
        examples=[600],
    )
    credit_cap: int = Field(
        USUAL_TOKEN_CREDITS,
        description="How many credits it may spend.",
        ge=1,
        le=MOST_TOKEN_CREDITS,
        examples=[5],
    )


class BrowserToken(Schema):
    """A browser token. `token` is told once."""

    id: str = Field(description="Its visible beginning, to delete it by.", examples=["rv_tok_9TfR4sWb"])
    token: str = Field(
        description="What the browser sends as its key.",
        examples=["rv_tok_9TfR4sWb_00000000000000000000000000000000000000"],
    )
    origin: str = Field(description="The site whose pages may use it.", examples=["https://example.com"])
    credit_cap: int = Field(description="How many credits it may spend.", ge=1, examples=[5])
    expires_at: str = _moment("When it stops working.", "2026-01-15T09:40:00Z")


class DeletedToken(Schema):
    """A browser token that does not work any more."""

    id: str = Field(description="Its visible beginning.", examples=["rv_tok_9TfR4sWb"])
    deleted: Literal[True] = Field(description="It is deleted.")


class UsageQuery(Schema):
    """Which usage, and how it is told."""

    first: Annotated[date | None, WRITTEN] = Field(
        None, alias="from", description="The first day, in UTC. Without it 30 days are told."
    )
    last: Annotated[date | None, WRITTEN] = Field(
        None, alias="to", description="The last day, in UTC. Without it today."
    )
    group_by: str = Field(
        "day",
        description="What it is told apart by: `day`, `key`, `model`, or several with commas.",
        pattern=r"^(day|key|model)(,(day|key|model)){0,2}$",
    )
    format: Literal["json", "csv"] | None = Field(
        None, description="`csv` for a file that spreadsheets open, as `Accept: text/csv` asks for too."
    )
