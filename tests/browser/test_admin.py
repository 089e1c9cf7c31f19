"""The admin in a real browser: every page loads clean in both themes, and an operator gets their work done."""

import re
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import PASSWORD, Visit, Visitor, until
from tests.browser.furnish import stock
from tests.installation import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
def operator(visit: Visit) -> Visitor:
    """Somebody who may do everything, at the admin's first page."""
    return enter(visit(signed_in=True))


def enter(visitor: Visitor) -> Visitor:
    stock(visitor.site, "promote", visitor.email)
    visitor.page.goto("/admin/")
    expect(visitor.page.get_by_label("Find a person")).to_be_visible()
    return visitor


def log_in(visitor: Visitor) -> None:
    """Begin an operator's day: from the account that a command made to the admin's first page."""
    email = f"operator-{uuid4().hex[:8]}@example.com"
    visitor.site.manage("create_user", email, "--password", PASSWORD, "--staff")
    visitor.page.goto("/admin/")
    visitor.page.locator("#id_login").fill(email)
    visitor.page.locator("#id_password").fill(PASSWORD)
    visitor.page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()
    expect(visitor.page.get_by_label("Find a person")).to_be_visible()


@pytest.fixture
def failed_mail(site: Stack) -> str:
    """A mail to nobody in particular that was given up; the address that it went to."""
    to = f"lost-{uuid4().hex[:8]}@example.com"
    code = (
        "from billing.models import OutgoingMail; from django.utils import timezone;"
        f"OutgoingMail.objects.create(reference='test:{to}', to='{to}', template='account_deleted', attempts=8,"
        "failed_at=timezone.now(), last_error='SMTPDataError: 451 Try again later')"
    )
    site.manage("shell", "-v", "0", "-c", code)
    return to


def test_an_operator_finds_a_person_grants_and_takes_credits(visit: Visit) -> None:
    customer, operator = visit(signed_in=True), visit()
    log_in(operator)
    customer.page.goto("/dashboard/api-keys/")
    page = operator.page
    page.get_by_label("Find a person").fill(customer.email)
    page.keyboard.press("Enter")
    expect(page.locator("main, #main").get_by_text(customer.email).first).to_be_visible()

    page.get_by_role("link", name="Grant credits").click()
    page.get_by_label("Credits").fill("17")
    page.get_by_label("Reason").fill("For the trouble on Tuesday")
    page.get_by_role("button", name="Grant").click()
    expect(page.get_by_text("For the trouble on Tuesday").first).to_be_visible()
    customer.page.bring_to_front()
    expect(customer.page.locator("#balance")).to_have_attribute("data-balance", "20")  # told by the event stream

    page.bring_to_front()
    page.get_by_role("link", name="Take credits").click()
    page.get_by_label("Credits").fill("5")
    page.get_by_label("Reason").fill("Granted too many")
    page.get_by_role("button", name="Take").click()
    expect(page.get_by_text("Granted too many").first).to_be_visible()
    customer.page.goto("/dashboard/billing/history/")
    expect(customer.page.locator("#balance")).to_have_attribute("data-balance", "15")
    expect(customer.page.locator("main")).to_contain_text("For the trouble on Tuesday")


def test_the_search_over_every_page_leads_to_a_person(visit: Visit, operator: Visitor) -> None:
    customer = visit(signed_in=True)
    page = operator.page
    words = page.locator("#search-input-command")
    page.bring_to_front()  # behind another page it is drawn seldom
    page.goto("/admin/")

    open_search(page)
    words.press_sequentially(customer.email)
    page.get_by_role("link", name=customer.email).click()
    expect(page).to_have_url(re.compile(r"/admin/accounts/user/\d+/change/"))


def open_search(page: Page) -> None:
    """Press Ctrl+K until the search is there and has the focus: before the page's scripts are, it does nothing."""
    words = page.locator("#search-input-command")

    def press() -> None:
        page.keyboard.press("Control+k")
        expect(words).to_be_focused(timeout=2_000)

    until(press)


@pytest.mark.parametrize(
    ("path", "field"),
    [("/admin/", "#find"), ("/admin/billing/payment/", "#searchbar"), ("/admin/billing/plan/add/", "#id_reason")],
)
def test_the_search_opens_from_within_a_field(operator: Visitor, path: str, field: str) -> None:
    page = operator.page
    page.goto(path)
    page.locator(field).focus()
    open_search(page)
    page.keyboard.type("somebody")
    expect(page.locator("#search-input-command")).to_have_value("somebody")
    page.keyboard.press("Control+k")  # once more changes nothing
    expect(page.locator("#search-input-command")).to_be_visible()
    expect(page.locator(field)).to_have_value("")


@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "when-it-is-there"])
def test_enter_opens_the_only_hit_of_the_search(visit: Visit, operator: Visitor, waits: bool) -> None:
    customer, page = visit(signed_in=True), operator.page
    page.bring_to_front()
    page.goto("/admin/")
    open_search(page)
    page.keyboard.type(customer.email[:-4])
    if waits:
        expect(page.locator("#command-results-list").get_by_role("link", name=customer.email)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/admin/accounts/user/\d+/change/"))
    expect(page.get_by_role("main")).to_contain_text(customer.email)


def test_enter_opens_nothing_among_several_hits(visit: Visit, operator: Visitor) -> None:
    visit(signed_in=True)
    page = operator.page
    page.bring_to_front()
    page.goto("/admin/")
    open_search(page)
    page.keyboard.type("person-")
    page.keyboard.press("Enter")
    expect(page.locator("#command-results-list li").nth(1)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/admin/$"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/admin/accounts/user/\d+/change/"))


def test_a_mail_that_failed_is_seen_and_sent_again(operator: Visitor, failed_mail: str) -> None:
    page = operator.page
    page.goto("/admin/")
    page.get_by_role("link", name="Mails that failed").click()
    row = page.locator("tr", has_text=failed_mail)
    expect(row).to_contain_text("SMTPDataError: 451 Try again later")
    row.get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Send again")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("1 mail is on the way again.")).to_be_visible()
    page.goto("/inbox/")
    expect(page.locator(".mail-row", has_text=failed_mail)).to_be_visible()
    page.goto("/admin/billing/auditrecord/")
    expect(page.locator("#result_list")).to_contain_text("Sent a mail again")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.timeout(300)
def test_every_kind_of_page_loads_without_a_complaint(visit: Visit, dark: bool) -> None:
    customer = visit(signed_in=True, credits=2)
    customer.api_key()
    operator = enter(visit(signed_in=True, dark=dark))
    seen = walk(operator.page)
    for path in (
        "user/#/change/",
        "user/#/grant/",
        "creditgrant/import/",
        "outgoingmail/",
        "plan/add/",
        "upstream/#/test/",
        "apikey/#/change/",
    ):
        assert any(path in kind for kind in seen), path


def walk(page: Page) -> set[str]:
    """Open one page of every kind that links of the admin lead to, and return the kinds. `visit` watches."""
    kinds: set[str] = set()
    paths = ["/admin/"]
    while paths:
        path = paths.pop(0)
        kind = re.sub(r"/(\d+|[a-z]+_[^/]{8,})/", "/#/", path.split("?")[0])
        if kind in kinds or "logout" in kind:
            continue
        kinds.add(kind)
        try:
            response = page.goto(path)
        except Error as error:
            if "Download is starting" not in str(error):
                raise
            continue  # a file, not a page
        assert response is not None
        assert response.ok, path
        for link in page.evaluate("[...document.querySelectorAll('a[href]')].map((link) => link.href)"):
            if urlsplit(link).path.startswith("/admin/") and urlsplit(link).netloc == urlsplit(page.url).netloc:
                paths.append(urlsplit(link).path)
    return kinds
