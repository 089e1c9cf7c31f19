"""The documentation's pages: Markdown files that are Django templates, so that they state this site's own limits."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template import Context, Engine
from django.urls import reverse

from accounts import keys
from billing.pages import offers
from billing.pages.offers import Offer
from generator import snippets
from generator.api import events
from generator.api.closed_reve import fields
from generator.api.openai import errors as openai_errors
from generator.api.openai import fields as openai_fields
from generator.ask import prices
from generator.ask.admission import SAMPLES_IN_FLIGHT
from generator.ask.schemas import MOST_IMAGES
from generator.jobs import cancelling
from generator.jobs.ends import ENDS
from generator.library import trash
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH
from generator.webhooks import deliveries, endpoints, post, retries
from reveweb.docs import code, conformance, errors, forcing, reference, rendering
from reveweb.lanes import API_BODY_BYTES, MIB, PICTURE_FORM_BYTES, PICTURE_JSON_BYTES
from reveweb.mcp import telling, tools

SOURCES = Path(__file__).parent / "pages"
CLIENTS = Path(__file__).parent / "clients"  # templates as well
CLIENT_FILES = {"sh": "bash", "py": "python", "mjs": "javascript"}  # the language of each, by how its name ends
PATIENCE_SECONDS = 60  # for how much longer than an image may take the clients go on asking
FRONT = "introduction"
REFERENCE = "reference"  # its endpoints are forms as well (static/js/try.js)


@dataclass(frozen=True)
class Size:
    """What an image of a shape measures, in pixels, as far as one can plan with it."""

    ratio: str
    width: int
    height: int
    shape: str


# What the sandbox draws. The upstream documents 1024 × 1024 for 1:1, and for the others no pixels at all.
SIZES = (
    Size("1:1", 1024, 1024, "square"),
    Size("16:9", 1344, 756, "wide"),
    Size("3:2", 1248, 832, "landscape"),
    Size("4:3", 1152, 864, "landscape"),
    Size("3:4", 864, 1152, "portrait"),
    Size("2:3", 832, 1248, "portrait"),
    Size("9:16", 756, 1344, "tall"),
)

_FENCE_OPTIONS = re.compile(r"^(```\w+) .*$", re.MULTILINE)
_CODE_OR_GAP = re.compile(r"^```.*?^```|\n{3,}", re.MULTILINE | re.DOTALL)
_SPECIAL = re.compile(r"[\\`*_\[\]<>&#~|]")  # what Markdown would take for something else than words


@dataclass(frozen=True)
class Page:
    """A page by the name of its file, and what it is called in the navigation."""

    slug: str
    label: str

    @property
    def url(self) -> str:
        return reverse("docs") if self.slug == FRONT else reverse("docs_page", args=[self.slug])

    @property
    def markdown_url(self) -> str:
        return reverse("docs_markdown", args=[self.slug])


@dataclass(frozen=True)
class Chapter:
    """Pages that stand together in the navigation."""

    title: str
    pages: tuple[Page, ...]


CHAPTERS = (
    Chapter(
        "Get started",
        (Page(FRONT, "Introduction"), Page("quickstart", "Quickstart"), Page("authentication", "Authentication")),
    ),
    Chapter(
        "The API",
        (
            Page("generate", "Generate an image"),
            Page("edit", "Edit and remix"),
            Page("status", "Check the status"),
            Page("jobs", "Jobs"),
            Page("files", "Files"),
            Page("models", "Models"),
            Page("webhooks", "Webhooks"),
            Page("limits", "Rate limits and credits"),
            Page("openai", "OpenAI’s clients"),
            Page("mcp", "MCP server"),
            Page("errors", "Errors"),
            Page("keys", "Keys and limits"),
            Page("test-keys", "Test keys"),
            Page("conformance", "Conformance"),
            Page("older-clients", "Coming from reve.com"),
        ),
    ),
    Chapter(
        "Guides",
        (
            Page("best-practices", "Best practices"),
            Page("client", "Client code"),
            Page("clients", "Client packages"),
            Page("examples", "Examples"),
        ),
    ),
    Chapter("Reference", (Page(REFERENCE, "API reference"),)),
)
PAGES = tuple(page for chapter in CHAPTERS for page in chapter.pages)


def find(slug: str) -> Page | None:
    """Return the page called `slug`."""
    return next((page for page in PAGES if page.slug == slug), None)


def neighbours(page: Page) -> tuple[Page | None, Page | None]:
    """Return the pages before and after one."""
    at = PAGES.index(page)
    return (PAGES[at - 1] if at else None), (PAGES[at + 1] if at + 1 < len(PAGES) else None)


def source(page: Page, base: str) -> str:
    """Return a page's Markdown for the site at `base`, fences with the options that the tests read."""
    text = _engine().get_template(f"{page.slug}.md").render(Context(facts(base), autoescape=False))
    return _tidy(text)


def markdown(page: Page, base: str) -> str:
    """Return a page's Markdown as readers get it."""
    return _FENCE_OPTIONS.sub(r"\1", source(page, base))


def llms(base: str) -> str:
    """Return all that one needs to know to write a client, and which pages there are (llmstxt.org)."""
    ledes = {one: rendering.render(source(one, base)).lede for one in PAGES}
    chapters = [(chapter.title, [(one, ledes[one]) for one in chapter.pages]) for chapter in CHAPTERS]
    known = facts(base) | {"chapters": chapters, "lede": ledes[PAGES[0]]}
    text = _engine().get_template("llms.txt").render(Context(known, autoescape=False))
    return _tidy(text)


def client(language: str, base: str) -> str:
    """Return the code of a client for the site at `base`."""
    own = {
        "base_url": base,
        "deadline": _duration(settings.GENERATION_DEADLINE_SECONDS),
        "client_seconds": settings.GENERATION_DEADLINE_SECONDS + PATIENCE_SECONDS,
    }
    return _engine().get_template(f"{language}.txt").render(Context(own, autoescape=False))


def facts(base: str) -> dict[str, Any]:
    """Return what pages may state: this site's address, limits and prices, the API's errors and its schema."""
    links = {f"{page.slug.replace('-', '_')}_url": page.url for page in PAGES}
    plans: Callable[[], list[Offer]] = lambda: offers.plans(None)  # noqa: E731 (looked up only where a page names plans)
    return {
        **links,
        "base_url": base,
        "call": {one.title.lower(): one.text for one in code.first_call(base)},
        "export": snippets.export(),
        "clients": {language: client(language, base) for language in CLIENT_FILES.values()},
        "client_seconds": settings.GENERATION_DEADLINE_SECONDS + PATIENCE_SECONDS,
        "site_name": _SPECIAL.sub(r"\\\g<0>", settings.SITE_NAME),
        "key_length": keys.LENGTH,
        "sizes": SIZES,
        "client_timeout": snippets.SECONDS,
        "request_seconds": settings.REQUEST_SECONDS,
        "support_email": settings.SUPPORT_EMAIL,
        "sandbox": settings.SANDBOX,
        "payments": settings.PAYMENTS,
        "plans": plans,
        "welcome_credits": settings.WELCOME_CREDITS,
        "image_costs": prices.an_image_costs,
        "credit_is_image": prices.is_one,
        "prices": prices.listed,
        "most_endpoints": endpoints.MOST_ENDPOINTS,
        "webhook_seconds": f"{post.SECONDS:g}",
        "webhook_days": deliveries.KEPT.days,
        "webhook_steps": _steps(),
        "rate_limit": settings.RATE_LIMIT_PER_MINUTE,
        "status_rate_limit": settings.STATUS_RATE_LIMIT_PER_MINUTE,
        "request_log_days": settings.REQUEST_LOG_DAYS,
        "wait": _duration(settings.SYNC_WAIT_SECONDS),
        "deadline": _duration(settings.GENERATION_DEADLINE_SECONDS),
        "patience": _duration(settings.STORAGE_PATIENCE_SECONDS),
        "prompt_max": PROMPT_MAX_LENGTH,
        "body_max": API_BODY_BYTES // 1024,
        "picture_json_max": PICTURE_JSON_BYTES // MIB,
        "edit_form_max": PICTURE_FORM_BYTES["/v1/reve-image/edit"] // MIB,
        "remix_form_max": PICTURE_FORM_BYTES["/v1/reve-image/remix"] // MIB,
        "upload_days": settings.UPLOAD_DAYS,
        "upload_rate_limit": settings.UPLOAD_RATE_LIMIT_PER_MINUTE,
        "ratios": ASPECT_RATIOS,
        "openai_fields": list(openai_fields.table()),
        "openai_errors": list(openai_errors.table()),
        "errors": errors.refusals(),
        "ends": ENDS,
        "most_images": MOST_IMAGES,
        "wait_seconds": f"{settings.SYNC_WAIT_SECONDS:g}",
        "deadline_seconds": settings.GENERATION_DEADLINE_SECONDS,
        "cancel_wait": _duration(cancelling.WAIT_SECONDS),
        "stream_duration": _duration(events.STREAM_SECONDS),
        "token_streams": events.STREAMS_OF_ONE_TOKEN,
        "trash_minutes": trash.GRACE.seconds // 60,
        "forced_ends": forcing.ends(),
        "forced_refusals": forcing.refusals(),
        "met_otherwise": forcing.OTHERWISE.items(),
        "samples_kept": trash.SAMPLES_KEPT.days,
        "samples_in_flight": SAMPLES_IN_FLIGHT,
        "failures": errors.failures(),
        "mcp_name": re.sub(r"[^a-z0-9]+", "-", settings.SITE_NAME.lower()).strip("-") or "images",
        "mcp_tools": tools.TOOLS,
        "mcp_preview": telling.PREVIEW_SIDE,
        "mcp_wait": _duration(settings.MCP_WAIT_SECONDS),
        "mcp_credits": settings.MCP_SESSION_CREDITS,
        "operations": reference.operations(),
        "schemas": reference.schemas(),
        "error_fields": reference.error(),
        "answer_headers": reference.headers(),
        "older_fields": tuple(fields.rows()),
        "conformance": conformance.shown(),
    }


def _steps() -> list[dict[str, Any]]:
    """Return when a message is tried again that nobody takes."""
    found, after = [], 0.0
    for number, step in enumerate(retries.STEPS, start=2):
        after += step.total_seconds()
        found.append({"number": number, "pause": _duration(step.total_seconds()), "after": _about(after)})
    return found


def _about(seconds: float) -> str:
    if seconds < 60:
        return _duration(seconds)
    minutes = round(seconds / 60)
    return _duration(minutes * 60) if minutes < 90 else f"{minutes / 60:.1f} hours".replace(".0", "")


def _tidy(text: str) -> str:
    """Return Markdown without the lines that tags of the template leave empty; code keeps its own."""
    return _CODE_OR_GAP.sub(lambda found: found[0] if found[0].startswith("```") else "\n\n", text).strip() + "\n"


def _duration(seconds: float) -> str:
    units = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
    unit = next((unit for unit, size in units.items() if seconds >= size and seconds % size == 0), "second")
    number = seconds / units[unit]
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


@lru_cache(maxsize=1)
def _engine() -> Engine:
    return Engine(
        dirs=[str(SOURCES), str(CLIENTS)],
        autoescape=False,
        libraries={},
        builtins=["django.contrib.humanize.templatetags.humanize"],
    )
