"""The documentation as pages, as Markdown for those who read that rather, and as `llms.txt`."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from generator import snippets
from generator.ask import prices
from kit.http.requests import site_of, without_nul
from reveweb.docs import book, rendering, search
from reveweb.docs.book import Page
from reveweb.docs.code import chosen_language

MARKDOWN = "text/markdown; charset=utf-8"


@require_safe
def page(request: HttpRequest, slug: str = book.FRONT) -> HttpResponse:
    """Show a page, its samples in the language chosen last."""
    found = _find(slug)
    document = rendering.render(book.source(found, site_of(request)), chosen_language(request.COOKIES))
    before, after = book.neighbours(found)
    context = {
        "page": found,
        "chapters": book.CHAPTERS,
        "document": document,
        "html": mark_safe(document.html),  # noqa: S308 (our own pages, rendered with raw HTML off)
        "lede_html": mark_safe(document.lede_html),  # noqa: S308
        "reads_key": snippets.KEY_VARIABLE in document.html,
        "key_variable": snippets.KEY_VARIABLE,
        "export": snippets.export(),
        "prices": prices.prices_json() if found.slug == book.REFERENCE else "",
        "before": before,
        "after": after,
    }
    return render(request, "docs/page.html", context)


@require_safe
def markdown(request: HttpRequest, slug: str) -> HttpResponse:
    """Give a page as Markdown."""
    return HttpResponse(book.markdown(_find(slug), site_of(request)), content_type=MARKDOWN)


@require_safe
def client(request: HttpRequest, ending: str) -> HttpResponse:
    """Give the client's code in the language whose files end so."""
    language = book.CLIENT_FILES.get(ending)
    if language is None:
        raise Http404
    return HttpResponse(book.client(language, site_of(request)), content_type="text/plain; charset=utf-8")


@require_safe
def results(request: HttpRequest) -> HttpResponse:
    """Show the sections that have the words of `?q=`; with `?part=1` the list alone, for the box in the navigation."""
    query = without_nul(request.GET.get("q", "")).strip()[: search.QUERY_MAX_LENGTH]
    hits = search.find(query, site_of(request))
    template = "docs/hits.html" if "part" in request.GET else "docs/search.html"
    return render(request, template, {"query": query, "hits": hits, "chapters": book.CHAPTERS})


@require_safe
def llms(request: HttpRequest) -> HttpResponse:
    """Tell a language model all that it needs to write a client, and what there is to read (llmstxt.org)."""
    return HttpResponse(book.llms(site_of(request)), content_type="text/plain; charset=utf-8")


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
