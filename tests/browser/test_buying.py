"""Buying in a browser: to the hosted checkout and back, with the balance true on every open page."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visitor, until
from tests.installation import Stack

pytestmark = pytest.mark.stack

GOOD, DECLINED = "4242424242424242", "4000000000000002"
BILLING = "/dashboard/billing/"
WELCOME, PACK, BASIC = 3, 50, 100


def go_to_checkout(page: Page, button: str) -> None:
    page.goto(BILLING)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("note")).to_contain_text("Simulated payment")


def pay(page: Page, card: str = GOOD) -> None:
    page.get_by_label("Test card number").fill(card)
    page.get_by_role("button", name=re.compile("^(Pay|Subscribe)$")).click()


def shows(page: Page, credits: int) -> None:
    """Wait until the pill on top of the page says so."""
    expect(page.locator("#balance")).to_have_attribute("data-balance", str(credits))


def has(visitor: Visitor, credits: int, payments: int) -> None:
    """Check a freshly loaded billing page: the balance, and how many payments there were."""
    visitor.page.goto(BILLING)
    shows(visitor.page, credits)
    expect(visitor.page.locator("#payments tbody tr")).to_have_count(payments)


def mails_to(visitor: Visitor) -> list[str]:
    """The subjects in the local inbox that went to the visitor, oldest first."""
    visitor.page.goto("/inbox/")
    rows = visitor.page.locator(".mail-row", has_text=visitor.email)
    return list(reversed(rows.locator(".mail-subject").all_inner_texts()))


def gets_mails(visitor: Visitor, *subjects: str) -> None:
    """Wait until these have come, oldest first, and no others: a process behind the site sends them."""

    def look() -> None:
        assert mails_to(visitor) == list(subjects)

    until(look)


def test_a_pack_is_bought_and_every_open_page_knows(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    elsewhere = visitor.context.new_page()
    elsewhere.goto("/dashboard/api-keys/")
    shows(elsewhere, WELCOME)

    go_to_checkout(visitor.page, "Buy 50 credits")
    pay(visitor.page)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Thank you. 50 credits added")
    shows(visitor.page, WELCOME + PACK)
    elsewhere.bring_to_front()
    shows(elsewhere, WELCOME + PACK)  # told by the event stream: nobody reloaded it

    visitor.page.bring_to_front()
    visitor.page.goto("/inbox/")
    visitor.page.locator(".mail-row", has_text=visitor.email).filter(has_text="Your receipt").click()
    receipt = visitor.page.frame_locator("iframe")
    expect(receipt.get_by_role("heading")).to_have_text("Thank you, your payment has arrived")
    expect(receipt.locator("body")).to_contain_text("$6.00 USD")
    receipt.get_by_role("link", name="Open Billing").click()
    expect(visitor.page).to_have_url(BILLING)
    has(visitor, WELCOME + PACK, payments=1)


def test_a_declined_card_costs_nothing_and_another_one_works(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    visitor.watch.expect(r"\b402\b")
    go_to_checkout(visitor.page, "Buy 50 credits")
    pay(visitor.page, DECLINED)
    expect(visitor.page.get_by_role("alert")).to_have_text("Your card was declined.")
    visitor.page.get_by_role("link", name="Cancel and go back").click()
    shows(visitor.page, WELCOME)
    assert not [subject for subject in mails_to(visitor) if "receipt" in subject]

    go_to_checkout(visitor.page, "Buy 50 credits")
    pay(visitor.page, DECLINED)
    pay(visitor.page, GOOD)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Thank you. 50 credits added")
    has(visitor, WELCOME + PACK, payments=1)


def test_going_back_after_paying_pays_nothing_again(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    go_to_checkout(page, "Buy 50 credits")
    checkout = page.url
    pay(page)
    shows(page, WELCOME + PACK)
    page.goto(checkout)
    expect(page.locator("main")).to_contain_text("This session is complete")
    page.get_by_role("link", name="Go back to the shop").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you. 50 credits added")
    page.reload()
    has(visitor, WELCOME + PACK, payments=1)
    gets_mails(visitor, "Welcome to reveweb", "Your receipt from reveweb")


def test_a_double_click_on_buy_opens_one_checkout(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    visitor.page.goto(BILLING)
    visitor.page.get_by_role("button", name="Choose Basic", exact=True).dblclick()
    expect(visitor.page.get_by_role("note")).to_contain_text("Simulated payment")
    orders = f"Order.objects.filter(wallet__user__email='{visitor.email}')"
    assert site.manage("shell", "-v", "0", "-c", f"from billing.models import Order; print({orders}.count())") == "1"
    pay(visitor.page)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Thank you. 100 credits added")
    has(visitor, WELCOME + BASIC, payments=1)


@pytest.fixture
def pro(site: Stack) -> Iterator[None]:
    """A plan above Basic, for as long as a test needs it."""
    add = "Plan.objects.update_or_create(slug='pro', defaults=dict(name='Pro', credits=400, price=2900, active=True))"
    site.manage("shell", "-v", "0", "-c", f"from billing.models import Plan; {add}")
    site.manage("sync_stripe")
    yield
    code = "from billing.models import Plan; Plan.objects.filter(slug='pro').update(active=False)"
    site.manage("shell", "-v", "0", "-c", code)


@pytest.mark.usefixtures("pro")
def test_a_plan_is_taken_changed_cancelled_and_resumed(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    go_to_checkout(page, "Choose Basic")
    pay(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you. 100 credits added")
    shows(page, WELCOME + BASIC)

    page.goto(BILLING)
    page.get_by_role("link", name="Change to Pro").click()
    page.get_by_role("button", name="Change to Pro").click()
    # The difference between the plans for what is left of the period, to the nearest credit.
    expect(page.locator("#balance")).to_have_attribute("data-balance", "403")
    expect(page.locator("main")).to_contain_text("$29.00 USD a month")

    page.get_by_role("button", name="Manage at Stripe").click()
    page.get_by_role("button", name="Cancel plan").click()
    page.get_by_role("link", name="Back to the shop").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(page.locator("main")).to_contain_text("Ends on")

    page.get_by_role("button", name="Manage at Stripe").click()
    page.get_by_role("button", name="Don't cancel").click()
    page.get_by_role("link", name="Back to the shop").click()
    expect(page.locator("main")).to_contain_text("Renews on")
    has(visitor, 403, payments=2)
    gets_mails(visitor, "Welcome to reveweb", *2 * ["Your receipt from reveweb"])


def test_a_plan_is_cancelled_and_goes_on_again_by_keyboard(visit: Visit) -> None:
    page = visit(signed_in=True).page
    go_to_checkout(page, "Choose Basic yearly")
    pay(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you. 1,200 credits added")
    page.goto(BILLING)
    expect(page.locator("#card-on-file")).to_contain_text("Visa ending in 4242")
    for link, button, afterwards in (
        ("Cancel plan", "Cancel Basic yearly", "Ends on"),
        ("Resume Basic yearly", "Resume Basic yearly", "Renews on"),
    ):
        page.get_by_role("link", name=link).focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name=button).focus()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text(afterwards)  # Stripe's word arrives while one looks


def test_an_invoice_is_one_click_away(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    go_to_checkout(visitor.page, "Buy 50 credits")
    pay(visitor.page)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Thank you. 50 credits added")
    visitor.page.goto(BILLING)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Invoice for 50 credits").click()
    assert re.fullmatch(r"Invoice-\w+-0001\.pdf", download.value.suggested_filename)
