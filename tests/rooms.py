"""Which tests a change touches: for each room of the house, those that prove it or what it shows.

A plain map, where one drawn from what ran (by coverage, say) would know nothing of templates, styles, migrations, other
processes or a browser. The longest room that a changed file lies in counts; what lies in none touches everything.
"""

import subprocess
from collections.abc import Iterable
from pathlib import PurePosixPath

from tests import ROOT

EVERYTHING = "tests"
PAGES = "tests/pages tests/admin tests/docs tests/account tests/accounts/test_mails.py tests/reveweb/test_static.py"
LOG_IN = (
    "tests/accounts/test_proof.py tests/accounts/test_limits.py tests/accounts/test_strangers.py "
    "tests/accounts/test_doors.py tests/accounts/test_commands.py tests/reveweb/test_cache.py "
    "tests/pages/test_pressed.py"
)

ROOMS = {
    "accounts": "tests/accounts tests/account tests/api/test_errors.py tests/api/test_key_cap.py "
    "tests/pages/test_accounts.py tests/pages/test_api_keys.py tests/admin/test_acts.py tests/admin/test_finding.py",
    "billing": "tests/billing tests/payments tests/stories tests/admin tests/account tests/accounts/test_mails.py "
    "tests/api/test_limits_and_credits.py tests/generator/test_admission.py tests/generator/test_lifecycle.py "
    "tests/pages/test_billing_page.py tests/pages/test_pricing.py tests/pages/test_dashboard.py",
    "billing/ledger": "tests/billing tests/payments tests/stories tests/admin/test_credits.py tests/admin/test_many.py "
    "tests/api/test_limits_and_credits.py tests/generator/test_admission.py tests/generator/test_lifecycle.py "
    "tests/pages/test_billing_page.py tests/pages/test_trash.py",
    "billing/catalogue": "tests/payments tests/stories tests/admin/test_catalogue.py tests/pages/test_pricing.py "
    "tests/pages/test_billing_page.py",
    "billing/stripe": "tests/payments tests/stories tests/billing tests/admin/test_events.py "
    "tests/account/test_deletion.py tests/pages/test_billing_page.py tests/pages/test_pricing.py",
    "billing/outbox": "tests/billing/test_mail.py tests/accounts/test_mails.py tests/admin/test_mails.py "
    "tests/pages/test_inbox.py",
    "billing/staff": "tests/admin tests/billing/test_audit.py tests/billing/test_commands.py "
    "tests/accounts/test_commands.py tests/payments/test_operators.py",
    "billing/codes": "tests/billing/test_codes.py tests/admin/test_codes.py tests/pages/test_redeem.py",
    "billing/welcome": "tests/billing/test_welcome.py tests/billing/test_ledger.py tests/pages/test_welcome.py "
    "tests/accounts/test_emails.py tests/admin/test_roles_table.py",
    "billing/bulk": "tests/billing/test_bulk.py tests/admin/test_many.py tests/admin/test_roles_table.py",
    "billing/statements": "tests/billing/test_statements.py tests/tools/test_font.py",
    "billing/pages": "tests/pages/test_billing_page.py tests/pages/test_redeem.py tests/pages/test_pricing.py "
    "tests/pages/test_dashboard.py "
    "tests/payments",
    "generator": "tests/generator tests/api tests/calls tests/pages tests/docs tests/account",
    "generator/calls": "tests/calls tests/pages/test_requests.py tests/account",
    "generator/ask": "tests/generator tests/api tests/billing/test_refusal.py tests/pages/test_create.py",
    "generator/jobs": "tests/generator tests/api tests/pages/test_events.py tests/pages/test_trash.py",
    "generator/webhooks": "tests/webhooks tests/pages/test_webhooks.py tests/generator/test_lifecycle.py",
    "generator/upstreams": "tests/generator tests/api/test_sync.py tests/sandbox/test_reve.py",
    "generator/files": "tests/generator tests/api/test_image_url.py tests/pages/test_image_page.py "
    "tests/pages/test_gallery.py tests/pages/test_sharing.py tests/account",
    "generator/library": "tests/generator/test_usage.py tests/generator/test_archive.py tests/pages tests/account",
    "generator/pages": "tests/pages",
    "reveweb": f"tests/reveweb tests/backup tests/doctor tests/watch tests/api tests/calls tests/fuzz "
    f"tests/accounts/test_commands.py {PAGES}",
    "reveweb/backup": "tests/backup",
    "reveweb/pages": "tests/pages",
    "reveweb/doctor": "tests/doctor",
    "reveweb/admin": "tests/admin tests/accounts/test_doors.py",
    "reveweb/personal": f"tests/account tests/pages/test_accounts.py {LOG_IN}",
    "reveweb/login": f"tests/pages/test_accounts.py tests/account tests/admin/test_finding.py {LOG_IN}",
    "reveweb/watch": "tests/watch tests/admin/test_overview.py",
    "reveweb/observe": "tests/reveweb tests/generator/test_endings.py",
    "reveweb/docs": "tests/docs tests/pages/test_docs.py",
    "reveweb/settings": EVERYTHING,
    "kit": EVERYTHING,
    "kit/due.py": "tests/kit tests/billing/test_mail.py tests/payments/test_webhook.py tests/account",
    "kit/migrations.py": "tests/kit tests/installations",
    **dict.fromkeys(
        [f"{app}/migrations" for app in ("accounts", "billing", "generator", "reveweb")], "tests/installations"
    ),
    "tools": "tests/tools tests/mutants",
    "tools/openapi": "tests/clients tests/tools",
    "sandbox": "tests/sandbox tests/payments tests/stories tests/generator/test_worker.py tests/generator/test_reve.py "
    "tests/api/test_sync.py",
    "templates": PAGES,
    "templates/account": "tests/pages/test_accounts.py tests/account tests/accounts/test_mails.py",
    "templates/accounts": "tests/pages/test_api_keys.py tests/accounts/test_mails.py",
    "templates/admin": "tests/admin",
    "templates/billing": "tests/pages/test_billing_page.py tests/pages/test_redeem.py tests/pages/test_pricing.py",
    "templates/docs": "tests/docs tests/pages/test_docs.py",
    "templates/email": "tests/billing/test_mail.py tests/accounts/test_mails.py",
    "templates/generator": "tests/pages",
    "static": "tests/reveweb/test_static.py tests/pages/test_contrast.py tests/pages/test_frame.py "
    "tests/pages/test_home.py",
    "deploy": "tests/deploy tests/reveweb tests/stack/test_from_nothing.py",
    "docs/deployment.md": "tests/stack/test_from_nothing.py",
    "Makefile": "tests/tools",
    "benchmarks/prompts.txt": "tests/sandbox/test_painter.py",
    "benchmarks/load": "tests/benchmarks",
    "benchmarks/portkey": "tests/tools",
    "docs": "tests/reveweb/test_settings.py tests/generator/test_search_index.py",
    ".env.example": "tests/reveweb/test_settings.py",
    # What no test reads.
    **dict.fromkeys(
        [
            "benchmarks",
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "LICENSE",
            ".ci",
            ".github",
            ".gitignore",
        ],
        "",
    ),
}


def of_change(paths: Iterable[str]) -> list[str]:
    """Return the tests, as pytest wants them named, that a change of these files touches."""
    wanted: set[str] = set()
    for path in paths:
        wanted |= {EVERYTHING} if (tests := _of_file(path)) is None else set(tests)
    return _without_doubles(wanted)


def of_room(name: str) -> list[str]:
    """Return the tests of a room, and of what lies in it. Raises KeyError."""
    name = name.strip("/")
    rooms = [room for room in ROOMS if room == name or room.startswith(f"{name}/")]
    if not rooms and (ROOT / name).exists():
        return of_change([name])
    if not rooms:
        raise KeyError(name)
    return _without_doubles({test for room in rooms for test in ROOMS[room].split()})


def changed(since: str = "main") -> list[str]:
    """Return every file that differs from where this branch left `since`, committed or not."""
    if _git("rev-parse", "--verify", "--quiet", since) is None:
        since = f"origin/{since}"
    start = _git("merge-base", since, "HEAD") or "HEAD"
    committed = _git("diff", "--name-only", start.strip()) or ""
    new = _git("ls-files", "--others", "--exclude-standard") or ""
    return sorted({*committed.splitlines(), *new.splitlines()})


def _of_file(path: str) -> list[str] | None:
    if path.startswith("tests/"):
        return _of_test_file(PurePosixPath(path))
    within = [room for room in ROOMS if path == room or path.startswith(f"{room}/")]
    return ROOMS[max(within, key=len)].split() if within else None


def _of_test_file(path: PurePosixPath) -> list[str]:
    if path.name.startswith("test_"):
        return [str(path)] if (ROOT / path).exists() else []  # a deleted one proves nothing any more
    return [str(path.parent)]  # what the tests of a folder share, down to all of them


def _without_doubles(wanted: set[str]) -> list[str]:
    return sorted(test for test in wanted if not any(str(parent) in wanted for parent in PurePosixPath(test).parents))


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None
