"""The documentation as pages, as Markdown for those who read that rather, and as `llms.txt`."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from accounts import keys
from kit.http.requests import site_of, without_nul
from reveweb.docs import book, rendering, search
from reveweb.docs.book import Page
from reveweb.docs.code import chosen_language

KEY_PLACEHOLDER = "YOUR_API_KEY"
MARKDOWN = "text/markdown; charset=utf-8"


@require_safe
def page(request: HttpRequest, slug: str = book.FRONT) -> HttpResponse:
    """Show a page, its samples in the language chosen last and with the beginning of the reader's own key."""
    found = _find(slug)
    document = rendering.render(book.source(found, site_of(request)), chosen_language(request.COOKIES))
    has_key_in_code = KEY_PLACEHOLDER in document.html
    prefix = _newest_key(request) if has_key_in_code else None
    html = document.html.replace(KEY_PLACEHOLDER, f"{prefix}_…") if prefix else document.html
    before, after = book.neighbours(found)
    context = {
        "page": found,
        "chapters": book.CHAPTERS,
        "document": document,
        "html": mark_safe(html),  # noqa: S308 (our own pages, rendered with raw HTML off)
        "lede_html": mark_safe(document.lede_html),  # noqa: S308
        "key_prefix": prefix,
        "has_key_in_code": has_key_in_code,
        "before": before,
        "after": after,
    }
    return render(request, "docs/page.html", context)


@require_safe
def markdown(request: HttpRequest, slug: str) -> HttpResponse:
    """Give a page as Markdown."""
    return HttpResponse(book.markdown(_find(slug), site_of(request)), content_type=MARKDOWN)


@require_safe
def results(request: HttpRequest) -> HttpResponse:
    """Show the sections that have the words of `?q=`; with `?part=1` the list alone, for the box in the navigation."""
    query = without_nul(request.GET.get("q", "")).strip()[: search.QUERY_MAX_LENGTH]
    hits = search.find(query, site_of(request))
    template = "docs/hits.html" if "part" in request.GET else "docs/search.html"
    return render(request, template, {"query": query, "hits": hits, "chapters": book.CHAPTERS})


@require_safe
def llms(request: HttpRequest) -> HttpResponse:
    """Tell a language model what there is to read here (llmstxt.org)."""
    base = site_of(request)
    front = rendering.render(book.source(book.PAGES[0], base))
    lines = [f"# {settings.SITE_NAME}", "", f"> {front.lede}", ""]
    for chapter in book.CHAPTERS:
        lines += [f"## {chapter.title}", ""]
        for one in chapter.pages:
            lede = rendering.render(book.source(one, base)).lede
            lines.append(f"- [{one.label}]({base}{one.markdown_url}): {lede}")
        lines.append("")
    lines += ["## Optional", "", f"- [Everything in one file]({base}/llms-full.txt)"]
    lines += [f"- [OpenAPI schema]({base}/v1/openapi.json)", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


@require_safe
def llms_full(request: HttpRequest) -> HttpResponse:
    """Give the whole documentation as one Markdown text."""
    base = site_of(request)
    pages = (book.markdown(one, base) for one in book.PAGES)
    return HttpResponse("\n---\n\n".join(pages), content_type="text/plain; charset=utf-8")


def _find(slug: str) -> Page:
    found = book.find(slug)
    if found is None:
        raise Http404
    return found


def _newest_key(request: HttpRequest) -> str | None:
    """Return the visible prefix of the reader's newest key that works, if they are signed in and have one."""
    if not request.user.is_authenticated:
        return None
    working = keys.live(request.user).filter(successors=None)  # one that was replaced stops soon
    return working.order_by("-created_at", "-pk").values_list("prefix", flat=True).first()
