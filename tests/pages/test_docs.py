"""The documentation's pages, their Markdown, `llms.txt` and the search."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts import keys
from accounts.models import User
from generator.ask import prices
from reveweb.docs import book, words
from reveweb.docs.errors import failures, refusals
from sandbox import ratios
from tests.pages.test_frame import assert_well_made

SLUGS = [page.slug for page in book.PAGES]
Queries = Callable[..., Any]


def read(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("page", book.PAGES, ids=SLUGS)
def test_a_page_is_well_made(client: Client, db: None, page: book.Page) -> None:
    html = read(client, page.url)
    assert_well_made(html)
    assert html.count('aria-current="page">' + page.label) == 2  # beside the page, and in the phone's menu
    assert "{{" not in html
    assert "{%" not in html
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_titles_and_descriptions_are_each_pages_own_and_fit_a_search_result(client: Client, db: None) -> None:
    pages = [read(client, page.url) for page in book.PAGES]
    titles = [re.findall(r"<title>(.+)</title>", html)[0] for html in pages]
    descriptions = [re.findall(r'<meta name="description" content="(.+)">', html)[0] for html in pages]
    assert len(set(titles)) == len(set(descriptions)) == len(pages)
    assert max(map(len, descriptions)) <= 170


def test_every_link_leads_somewhere(client: Client, db: None) -> None:
    """Within the documentation to a page and a place on it, and elsewhere to a page of the site."""
    pages = {page.url: read(client, page.url) for page in book.PAGES}
    for url, html in pages.items():
        for link in re.findall(r'href="([^"]+)"', html.partition('<div class="prose">')[2].partition("<footer")[0]):
            path, _, anchor = link.replace("http://testserver", "").partition("#")
            target = pages.get(path or url)
            if target is None:
                assert client.get(path).status_code in (200, 302), f"{url}: {link}"
                assert not anchor
            else:
                assert not anchor or f'id="{anchor}"' in target, f"{url}: {link}"


@pytest.mark.parametrize("url", ["/docs/nothing/", "/docs/nothing.md", "/docs/../settings.md", "/docs/pages/x.md"])
def test_an_unknown_page_is_not_found(client: Client, db: None, url: str) -> None:
    assert client.get(url).status_code == 404


def test_pages_read_the_same_in_order_by_their_links(client: Client, db: None) -> None:
    url, seen = "/docs/", []
    while url:
        seen.append(url)
        following = re.search(r'<a class="docs-after" href="([^"]+)" rel="next">', read(client, url))
        url = following[1] if following else ""
    assert seen == [page.url for page in book.PAGES]


# --- Facts -------------------------------------------------------------------------------------------------------


def test_limits_are_those_of_this_installation(client: Client, db: None, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 37
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 481
    settings.SYNC_WAIT_SECONDS = 45
    settings.GENERATION_DEADLINE_SECONDS = 300
    text = read(client, "/llms-full.txt")
    assert "you can ask for 37 a minute" in text
    assert "RateLimit-Limit: 37" in text
    assert "*481 a minute*" in text
    assert "longer than 45 seconds" in text
    assert "isn’t finished after 5 minutes fails" in text
    assert "10 a minute" not in text


def test_addresses_are_those_of_this_installation(client: Client, db: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://images.example.com"
    text = read(client, "/llms-full.txt")
    assert "curl https://images.example.com/v1/reve-image/generate" in text
    assert "testserver" not in text


def test_plans_are_those_on_sale(client: Client, pro: object) -> None:
    text = read(client, "/docs/limits.md")
    assert "| Basic | 100 a month | 30 | Any number |" in text
    assert "| Pro | 400 a month | 30 | Any number |" in text


def test_a_site_that_sells_nothing_and_welcomes_with_nothing_says_neither(
    client: Client, db: None, settings: Any
) -> None:
    settings.PAYMENTS = False
    settings.WELCOME_CREDITS = 0
    text = read(client, "/llms-full.txt")
    assert "Buy some" not in text
    assert "free credit" not in text


def test_a_key_is_as_long_as_the_quickstart_says(client: Client, alice: User) -> None:
    _, secret = keys.mint(user=alice, name="any")
    assert f"A key has {len(secret)} characters" in read(client, "/docs/quickstart.md")


# --- Samples -----------------------------------------------------------------------------------------------------


def test_a_stranger_sees_where_the_key_goes(client: Client, db: None) -> None:
    html = read(client, "/docs/quickstart/")
    assert "export REVEWEB_API_KEY=YOUR_API_KEY" in html
    assert "Authorization: Bearer $REVEWEB_API_KEY" in text_of([html])
    assert "/accounts/login/?next=/docs/quickstart/" in html


def text_of(samples: list[str]) -> str:
    return unescape("\n".join(re.sub(r"<[^>]+>", "", one) for one in samples))


@pytest.mark.parametrize("page", book.PAGES, ids=SLUGS)
def test_no_sample_holds_a_key_or_a_part_of_one(client: Client, browser: Client, alice: User, page: book.Page) -> None:
    """What is copied runs as it is, for somebody with a key as for a stranger; one page shows what a cut key does."""
    key, _ = keys.mint(user=alice, name="new")
    html = read(browser, page.url)
    assert key.prefix not in html
    samples = re.findall(r"<code id=[^>]+>(.*?)</code>", html, re.DOTALL)
    assert samples == re.findall(r"<code id=[^>]+>(.*?)</code>", read(client, page.url), re.DOTALL)
    assert not re.search(r"Bearer (?!\$REVEWEB_API_KEY|\$\{|\{os|rv_E1R7dGq2_…|YOUR_API_KEY\b)", text_of(samples))


@pytest.mark.parametrize(("cookie", "opened"), [("python", "python"), ("", "bash"), ('"><script>', "bash")])
def test_samples_open_in_the_language_chosen_last(client: Client, db: None, cookie: str, opened: str) -> None:
    client.cookies["code_language"] = cookie
    html = read(client, "/docs/quickstart/")
    assert set(re.findall(r'value="(\w+)" checked', html)) == {opened}


def test_what_the_tests_read_stays_out_of_what_readers_get(client: Client, db: None) -> None:
    for text in (read(client, "/llms-full.txt"), read(client, "/docs/generate/")):
        assert not re.search(r"(prints|saves|case|env)=\w", text)


# --- For programs ------------------------------------------------------------------------------------------------


def test_llms_txt_lists_every_page_as_markdown(client: Client, db: None) -> None:
    response = client.get("/llms.txt")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    text = response.content.decode()
    assert text.startswith("# reveweb\n\n> ")
    links = re.findall(r"^- \[.+\]\(http://testserver(\S+)\): .{20,}", text, re.MULTILINE)
    assert links == ["/v1/openapi.json", *(page.markdown_url for page in book.PAGES)]
    for link in links[1:]:
        assert client.get(link)["Content-Type"] == "text/markdown; charset=utf-8"


def test_llms_txt_names_all_that_a_client_meets(client: Client, pro: object, settings: Any) -> None:
    settings.SUPPORT_EMAIL = "help@example.com"
    text = read(client, "/llms.txt")
    schema = client.get("/v1/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            part = text.partition(f"### {method.upper()} {path}\n")[2].partition("\n#")[0]
            assert not [status for status in operation["responses"] if f"{status} " not in part]
            assert not [one["name"] for one in operation.get("parameters", ()) if f"- `{one['name']}` (" not in part]
    for one in schema["components"]["schemas"].values():
        assert not [name for name in one.get("properties", ()) if f"- `{name}` (" not in text]
    assert not [row for row in refusals() if f"- {row.status} `{row.code}`: " not in text]
    assert not [row for row in failures() if f"- {row.status} `{row.code}`: " not in text]


FACTS = [
    "Base URL: `http://testserver`",
    "Authorization: Bearer KEY",
    "Content-Type: application/json",
    "Idempotency-Key",
    "Retry-After",
    "X-Request-Id",
    "X-Credits-Remaining",
    "RateLimit-Remaining",
    "Idempotent-Replayed",
    "An image costs 1 credit",
    "Plan Pro: 400 credits a month, 30 requests a minute",
    "10 generate requests a minute",
    "| `16:9` | 1344 × 756 |",
    "within 10 minutes",
    "within 90 seconds",
    "help@example.com",
    "no upscaling",
    "New values of `status`",
    "`.webp`",
]


@pytest.mark.parametrize("fact", FACTS)
def test_llms_txt_is_enough_to_write_a_client(client: Client, pro: object, settings: Any, fact: str) -> None:
    settings.SUPPORT_EMAIL = "help@example.com"
    assert fact in read(client, "/llms.txt").partition("## Get started")[0]


def test_nothing_that_a_client_needs_is_optional(client: Client, db: None) -> None:
    assert "openapi" not in read(client, "/llms.txt").partition("## Optional")[2]


def test_the_clients_can_be_fetched_and_are_those_that_are_shown(client: Client, db: None) -> None:
    shown = read(client, "/docs/client.md")
    for ending in book.CLIENT_FILES:
        code = client.get(f"/docs/reveweb.{ending}")
        assert code["Content-Type"] == "text/plain; charset=utf-8"
        assert code.content.decode() in shown
        assert f"http://testserver/docs/reveweb.{ending}" in shown
    assert client.get("/docs/reveweb.exe").status_code == 404


def test_the_sizes_are_those_that_the_sandbox_draws(client: Client, db: None) -> None:
    assert {one.ratio: (one.width, one.height) for one in book.SIZES} == ratios.SIZES


@pytest.mark.parametrize("address", ["", "help@example.com"])
def test_the_docs_say_where_to_ask_for_help(client: Client, db: None, settings: Any, address: str) -> None:
    settings.SUPPORT_EMAIL = address
    for url in ("/docs/introduction.md", "/llms.txt"):
        assert (f"mailto:{address}" if address else "Ask whoever runs this site") in read(client, url)


def test_llms_full_txt_is_every_page(client: Client, db: None) -> None:
    whole = read(client, "/llms-full.txt")
    for page in book.PAGES:
        assert read(client, page.markdown_url) in whole


# --- Search ------------------------------------------------------------------------------------------------------


def test_a_search_finds_the_section_about_it_first(client: Client, db: None) -> None:
    html = read(client, "/docs/search/?q=wait+for")
    assert_well_made(html)
    assert re.findall(r'<li><a href="(/docs/[^"]+)"><strong>', html)[0] == "/docs/status/#wait-for-an-image"


def test_a_search_finds_words_in_the_text(client: Client, db: None) -> None:
    assert "/docs/best-practices/#calling-from-a-browser" in read(client, "/docs/search/?q=CORS&part=1")


FINDS = {
    "refund": "/docs/errors/#was-i-billed",
    "refunds": "/docs/errors/#was-i-billed",
    "refunded": "/docs/errors/#was-i-billed",
    "money back": "/docs/errors/#was-i-billed",
    "How do I get a refund?": "/docs/errors/#was-i-billed",
    "cancelled": "/docs/jobs/#call-it-off",
    "retries": "/docs/errors/#what-to-retry",
    "retrying": "/docs/errors/#what-to-retry",
    "prices": "/docs/limits/#plans",
    "costs": "/docs/limits/#plans",
    "deletion": "/docs/files/#look-and-delete",
    "webhooks": "/docs/best-practices/#wait-or-poll",
    "SDK": "/docs/client/",
    "resolution": "/docs/generate/#sizes-in-pixels",
    "rotating": "/docs/authentication/#create-rotate-and-revoke-keys",
    "quota": "/docs/limits/",
    "idempo": "/docs/generate/#send-it-twice-pay-once",
}


@pytest.mark.parametrize("query", FINDS)
def test_a_search_finds_other_forms_of_a_word_and_words_that_mean_the_same(
    client: Client, db: None, query: str
) -> None:
    html = read(client, f"/docs/search/?part=1&q={quote(query)}")
    wanted = FINDS[query].replace("/docs/introduction/", "/docs/")
    assert wanted in re.findall(r'<li><a href="(/docs/[^"]*)"><strong>', html)[:3]


@pytest.mark.parametrize(
    ("forms", "begin"),
    [
        ("retry retries retried retrying", "retr"),
        ("cancel cancels cancelled canceled cancelling", "cancel"),
        ("bill bills billed billing", "bill"),
        ("delete deletes deleted deleting deletion", "delet"),
        ("price prices pricing priced", "pric"),
        ("key keys", "key"),
        ("access", "access"),
        ("yes", "yes"),
    ],
)
def test_the_forms_of_a_word_have_one_beginning(forms: str, begin: str) -> None:
    assert {words.stem(form) for form in forms.split()} == {begin}


@pytest.mark.parametrize("query", ["", "%20", "xyzzy", "%00", "<script>alert(1)</script>", "a" * 10_000])
def test_a_search_that_finds_nothing_says_so(client: Client, db: None, query: str) -> None:
    html = read(client, f"/docs/search/?q={query}")
    assert_well_made(html)
    assert "alert(1)</script>" not in html
    if query == "xyzzy":
        assert "Nothing here has “xyzzy”" in html


def test_a_part_is_the_list_alone(client: Client, db: None) -> None:
    html = read(client, "/docs/search/?q=credit&part=1")
    assert "<html" not in html
    assert 1 < html.count("<li>") <= 10


# --- Cost --------------------------------------------------------------------------------------------------------


def test_a_page_costs_a_stranger_no_query_but_where_it_names_plans(
    client: Client, db: None, django_assert_max_num_queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", 60)
    prices.current()  # asked once a second
    for page in book.PAGES:
        with django_assert_max_num_queries(1 if page.slug == "limits" else 0):
            read(client, page.url)
