"""What opens an account, where it is open, what it holds, and its end."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PASSWORD, Visit, Visitor
from tests.installation import Stack


def test_an_authenticator_app_is_set_up_and_then_asked_for(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    page.goto("/account/security/")
    page.get_by_role("link", name="Set up").click()
    confirm_password(page)
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator("#secret").inner_text()
    page.fill("#id_code", code_of(secret))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = page.locator("#codes code").all_inner_texts()
    assert len(set(codes)) == 10
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert all(code in Path(download.value.path()).read_text() for code in codes)

    log_out(page)
    log_in(visitor)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.fill("#id_code", "000000")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.locator("#id_code-error")).to_contain_text("not accepted")
    page.fill("#id_code", codes[0])
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="Trust this browser?")).to_be_visible()
    page.get_by_role("button", name="Trust it").click()
    expect(page).to_have_url("/create/")

    log_out(page)
    log_in(visitor)
    expect(page).to_have_url("/create/")


def test_a_passkey_is_made_and_opens_the_account_alone(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True, fresh=True)
    page, named = visitor.page, site.url.replace("127.0.0.1", "localhost")  # passkeys belong to a name
    with authenticator(visitor) as finger:
        log_in(visitor, named)
        page.goto(f"{named}/accounts/2fa/webauthn/add/")
        confirm_password(page)
        page.get_by_label("Name").fill("My laptop")
        page.get_by_role("button", name="Make the passkey").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        page.goto(f"{named}/account/security/")
        page.get_by_role("link", name="Rename My laptop").click()
        page.get_by_label("Name").fill("Old laptop")
        page.get_by_role("button", name="Save name").click()
        expect(page).to_have_url(f"{named}/account/security/")
        expect(page.get_by_role("link", name="Remove Old laptop")).to_be_visible()

        log_out(page, named)
        finger(away=True)
        page.goto(f"{named}/accounts/login/?next=/gallery/")
        # A question that meets no finger is never answered, so this one is held until the finger is back.
        held: list[Route] = []
        asked = f"{named}{page.locator('[data-passkey-autofill]').get_attribute('data-options-url')}"
        is_away = True
        page.route(asked, lambda route: held.append(route) if is_away else route.continue_())
        page.get_by_role("button", name="Log in with a passkey").click()
        expect(page.get_by_role("button", name="Waiting for your device")).to_be_visible()
        finger(away=False)
        is_away = False
        for route in held:
            route.continue_()
        expect(page).to_have_url(f"{named}/gallery/")

        # The browser offers it in the email box; this device takes up the offer by itself.
        log_out(page, named)
        page.goto(f"{named}/accounts/login/?next=/docs/")
        expect(page).to_have_url(f"{named}/docs/")

        page.goto(f"{named}/accounts/2fa/webauthn/reauthenticate/?next=/account/delete/")
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", name="Delete your account?")).to_be_visible()


def test_another_browser_is_logged_out_from_the_list(visit: Visit) -> None:
    here = visit(signed_in=True)
    there = visit()
    there.email = here.email
    log_in(there)
    expect(there.page).to_have_url("/create/")

    here.page.goto("/account/sessions/")
    expect(here.page.get_by_text("This browser")).to_be_visible()
    here.page.get_by_role("button", name="Log out Chrome on Linux").click()
    expect(here.page.get_by_text("That browser is logged out.")).to_be_visible()
    there.page.goto("/account/")
    expect(there.page).to_have_url("/accounts/login/?next=/account/")


def test_a_theme_takes_effect_at_once_and_stays(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/account/")
    light = paper(page)
    page.get_by_text("Dark", exact=True).click()
    assert paper(page) != light
    page.reload()
    assert paper(page) != light
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()


def test_a_theme_is_kept_without_javascript_too(visit: Visit) -> None:
    page = visit(signed_in=True, js=False).page
    page.goto("/account/")
    page.get_by_role("radio", name="Dark").check(force=True)
    page.get_by_role("button", name="Use this theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_password_can_be_looked_at(visit: Visit) -> None:
    page = visit().page
    page.goto("/accounts/login/")
    page.get_by_label("Password", exact=True).fill("hello")
    page.get_by_role("button", name="Show the password").click()
    expect(page.locator("#id_password")).to_have_attribute("type", "text")


def test_an_export_holds_the_image_that_was_made(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    key = {"Authorization": f"Bearer {visitor.api_key()}"}
    prompt = {"prompt": "a lighthouse for the archive"}
    assert httpx.post(f"{site.url}/v1/reve-image/generate", json=prompt, headers=key, timeout=60).status_code == 200
    page = visitor.page
    page.goto("/account/data/")
    page.get_by_role("button", name="Pack my export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        generation = json.loads(archive.read("generations.json"))[0]
        assert generation["prompt"] == "a lighthouse for the archive"
        assert archive.read(generation["file"])[:4] == b"\x89PNG"


def test_an_account_is_deleted_and_its_address_free_again(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    page.goto("/account/data/")
    page.get_by_role("link", name="Delete account").click()
    confirm_password(page)
    page.fill("#id_email", "somebody@example.com")
    visitor.watch.expect("status 422|422")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.locator("#id_email-error")).to_contain_text("not the address of this account")
    page.fill("#id_email", visitor.email)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", name="Your account is deleted")).to_be_visible()

    page.goto("/accounts/signup/")
    page.fill("#id_email", visitor.email)
    page.fill("#id_password1", PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page).to_have_url("/create/")
    expect(page.locator("#balance")).to_have_attribute("data-balance", "0")


def confirm_password(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def log_in(visitor: Visitor, site: str = "") -> None:
    visitor.page.goto(f"{site}/accounts/login/")
    visitor.page.fill("#id_login", visitor.email)
    visitor.page.fill("#id_password", PASSWORD)
    visitor.page.get_by_role("button", name="Log in", exact=True).click()


def log_out(page: Page, site: str = "") -> None:
    page.goto(f"{site}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()


def paper(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


@contextmanager
def authenticator(visitor: Visitor) -> Iterator[Callable[..., None]]:
    """A device that makes and keeps passkeys; the finger on it comes and goes with what is yielded."""
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    def finger(*, away: bool) -> None:
        state = {"authenticatorId": device["authenticatorId"], "enabled": not away}
        devtools.send("WebAuthn.setAutomaticPresenceSimulation", state)

    yield finger
    devtools.send("WebAuthn.disable")
