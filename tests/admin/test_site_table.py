"""Who may open which address of the site beside the admin and the doors: one table, held against every address.

Whatever somebody's role in the admin, on the site they are a person like others: nobody's images, keys, payments or
webhooks open for anybody but their owner. An address that the table does not have fails a test.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import ApiKey, User
from billing.models import Dispute, Wallet
from generator.models import Generation, WebhookDelivery, WebhookEndpoint
from tests.admin.conftest import Staff

pytestmark = pytest.mark.usefixtures("images")

# What an address answers a GET with: to a stranger, to Alice, whose the things in it are, and to anybody else who is
# logged in. `in` stands for the log-in page, `->` for another page, and what takes no GET is asked by a POST.
TABLE = r"""
.                                                     200  200  200
start/                                                 ->   ->   ->
pricing/                                              200  200  200
explore/                                              404  404  404
dashboard/                                             in  200  200
dashboard/usage.csv                                    in  400  400
dashboard/first-steps/                                 in   ->   ->
dashboard/api-keys/                                    in  200  200
dashboard/api-keys/<int:pk>/                           in  200  404
dashboard/api-keys/<int:pk>/rotate/                    in  200  404
dashboard/api-keys/<int:pk>/revoke/                    in  200  404
dashboard/requests/                                    in  200  200
dashboard/requests/<str:request_id>/                   in  404  404
dashboard/requests/<str:request_id>/again/             in   ->   ->
report-key/                                           200  200  200
inbox/                                                200  200  200
inbox/<str:id>/                                       404  404  404
inbox/<str:id>/html/                                  404  404  404
brand.css                                             200  200  200
icon.svg                                              200  200  200
icon-<int:size>.png                                   200  200  200
manifest.webmanifest                                  200  200  200
robots.txt                                            200  200  200
sitemap.xml                                           200  200  200
docs/                                                 200  200  200
docs/search/                                          200  200  200
docs/reveweb.<slug:ending>                            200  200  200
docs/<slug:slug>.md                                   200  200  200
docs/<slug:slug>/                                     200  200  200
llms.txt                                              200  200  200
llms-full.txt                                         200  200  200
account/                                               in  200  200
account/here/                                         204  204  204
account/pressed/                                       in   ->   ->
account/theme/                                         ->   ->   ->
account/security/                                      in  200  200
account/sessions/                                      in  200  200
account/sessions/<int:pk>/end/                         in   ->   ->
account/sessions/end-others/                           in   ->   ->
account/data/                                          in  200  200
account/data/export/                                   in   ->   ->
account/data/export/state/                             in  286  286
account/data/export/<str:token>/                       in  404  404
account/delete/                                        in  200  200
account/deleted/<str:token>/                          404  404  404
account/deleted/<str:token>/state/                    404  404  404
^accounts/confirm-email/(?P<key>[-:\w]+)/$            404  404  404
create/                                                in  200  200
create/generate/                                       ->   ->   ->
create/wall/                                           in  200  200
create/pictures/                                       in   ->   ->
create/api-call/                                       in   ->   ->
gallery/                                               in  200  200
gallery/count/                                         in  200  200
gallery/delete/                                        ->   ->   ->
gallery/favourites/                                    ->   ->   ->
gallery/kept/                                          ->   ->   ->
gallery/reference/                                     ->   ->   ->
gallery/restore/                                       ->   ->   ->
gallery/zip/                                           ->   ->   ->
gallery/<str:public_id>/                               in  200  404
gallery/<str:public_id>/cancel/                        ->   ->   ->
gallery/<str:public_id>/credentials/                   in  404  404
gallery/<str:public_id>/download/                      in  404  404
gallery/<str:public_id>/favourite/                     ->   ->   ->
gallery/<str:public_id>/share/                         ->   ->   ->
dashboard/webhooks/                                    in  200  200
dashboard/webhooks/log/                                in  200  200
dashboard/webhooks/resend/                             ->   ->   ->
dashboard/webhooks/rotate/                             ->   ->   ->
dashboard/webhooks/messages/<str:message_id>/resend/   ->   ->   ->
dashboard/webhooks/<str:public_id>/                    in  200  404
dashboard/webhooks/<str:public_id>/delete/             in  200  404
dashboard/webhooks/<str:public_id>/log/                in  200  404
dashboard/webhooks/<str:public_id>/pause/              ->   ->   ->
dashboard/webhooks/<str:public_id>/resend/             ->   ->   ->
dashboard/webhooks/<str:public_id>/resume/             ->   ->   ->
dashboard/webhooks/<str:public_id>/rotate/             ->   ->   ->
dashboard/webhooks/<str:public_id>/test/               ->   ->   ->
s/<str:token>/                                        404  404  404
s/<str:token>/download/                               404  404  404
s/<str:token>/report/                                 404  404  404
shared/<str:token>/<str:name>                         404  404  404
shared/<str:token>/explore/<str:name>                 404  404  404
uploads/                                               ->   ->   ->
uploads/<str:public_id>                                in  404  404
events/                                               401  200  200
events/doctor/                                        404  404  404
doctor/echo                                           404  404  404
images/<str:file_name>                                404  404  404
dashboard/billing/                                     in  200  200
dashboard/billing/state/                               in  200  200
dashboard/billing/history/                             in  200  200
dashboard/billing/history.csv                          in  200  200
dashboard/billing/checkout/                            in   ->   ->
dashboard/billing/portal/                              in   ->   ->
dashboard/billing/change-plan/                         in   ->   ->
dashboard/billing/cancel/                              in   ->   ->
dashboard/billing/resume/                              in   ->   ->
dashboard/billing/card/                                in  200  200
dashboard/billing/payments/<int:number>/               in   ->  404
dashboard/billing/statements/<int:year>-<int:month>.pdf   in  200  200
dashboard/billing/success/                             in  404  404
dashboard/billing/success/state/                       in  404  404
stripe/webhook/                                       400  400  400
mail/stop/<str:token>/                                404  404  404
redeem/                                               200  200  200
v1/openapi.json                                       200  200  200
v1/images/generate/                                   401  401  401
v1/images/generate                                    401  401  401
v1/reve-image/generate/                               401  401  401
v1/reve-image/generate                                401  401  401
v1/images/status/<image_id>/                          401  401  401
v1/images/status/<image_id>                           401  401  401
v1/reve-image/status/<image_id>/                      401  401  401
v1/reve-image/status/<image_id>                       401  401  401
v1/images/edit/                                       401  401  401
v1/images/edit                                        401  401  401
v1/reve-image/edit/                                   401  401  401
v1/reve-image/edit                                    401  401  401
v1/images/remix/                                      401  401  401
v1/images/remix                                       401  401  401
v1/reve-image/remix/                                  401  401  401
v1/reve-image/remix                                   401  401  401
v1/files/                                             401  401  401
v1/files                                              401  401  401
v1/files/<file_id>/                                   401  401  401
v1/files/<file_id>                                    401  401  401
v1/reve-image/                                        401  401  401
v1/reve-image                                         401  401  401
v1/reve-image/<image_id>/                             401  401  401
v1/reve-image/<image_id>                              401  401  401
v1/reve-image/status/<image_id>/cancel/               401  401  401
v1/reve-image/status/<image_id>/cancel                401  401  401
v1/reve-image/<image_id>/cancel/                      401  401  401
v1/reve-image/<image_id>/cancel                       401  401  401
v1/reve-image/<image_id>/events/                      401  401  401
v1/reve-image/<image_id>/events                       401  401  401
v1/models/                                            401  401  401
v1/models                                             401  401  401
v1/key/                                               401  401  401
v1/key                                                401  401  401
v1/account/                                           401  401  401
v1/account                                            401  401  401
v1/usage/                                             401  401  401
v1/usage                                              401  401  401
v1/tokens/                                            401  401  401
v1/tokens                                             401  401  401
v1/tokens/<token_id>/                                 405  405  405
v1/tokens/<token_id>                                  405  405  405
v1/keys/report/                                       400  400  400
v1/keys/report                                        400  400  400
v1/images/generations/                                401  401  401
v1/images/generations                                 401  401  401
v1/images/edits/                                      401  401  401
v1/images/edits                                       401  401  401
v1/models/<model_id>/                                 401  401  401
v1/models/<model_id>                                  401  401  401
v1/image/create/                                      401  401  401
v1/image/create                                       401  401  401
v1/image/edit/                                        401  401  401
v1/image/edit                                         401  401  401
v1/image/remix/                                       401  401  401
v1/image/remix                                        401  401  401
v1/image/effect/                                      401  401  401
v1/image/effect                                       401  401  401
v1/                                                   404  404  404
api/misc/balance/                                     401  401  401
api/misc/balance                                      401  401  401
api/                                                  404  404  404
mcp                                                   405  405  405
mcp/                                                  405  405  405
healthz                                               200  200  200
readyz                                                503  503  503
metrics                                               404  404  404
"""

ELSEWHERE = ("admin/", "accounts/")  # `test_roles_table`, and tests/accounts/test_doors.py
WORKS_FOR_KEYS = ("v1/", "api/", "mcp")  # which no log-in opens


def addresses(patterns: Any = None, before: str = "") -> Iterator[str]:
    """Yield the pattern of each address; of those with and without a slash at the end the one without."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        address = before + str(pattern.pattern)
        if address.startswith(ELSEWHERE):
            continue
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield address


def read() -> dict[str, tuple[str, str, str]]:
    """Return for each address what a stranger, its owner and others are answered."""
    lines = (line.split() for line in TABLE.strip().splitlines())
    return {"" if address == "." else address: (stranger, owner, other) for address, stranger, owner, other in lines}


@pytest.fixture
def everybody(alice: User, bob: User, support: Staff, finance: Staff, admin: Staff, boss: Staff) -> dict[str, Client]:
    """A browser for each."""
    owner, other = Client(), Client()
    owner.force_login(alice)
    other.force_login(bob)
    staff = {who.user.email.partition("@")[0]: who.client for who in (support, finance, admin)}
    return {"stranger": Client(), "owner": owner, "other": other, **staff, "superuser": boss.client}


@pytest.fixture
def ids(
    alice: User,
    wallet: Wallet,
    drawn: Generation,
    message: WebhookDelivery,
    dispute: Dispute,
    key: tuple[ApiKey, str],
) -> dict[str, str]:
    """What stands for the parts of an address: always what is Alice's."""
    assert message.endpoint is not None
    return {
        "<int:size>": "180",
        "<slug:slug>": "quickstart",
        "<slug:ending>": "py",
        "dashboard/api-keys/<int:pk>": f"dashboard/api-keys/{key[0].pk}",
        "account/sessions/<int:pk>": "account/sessions/1",
        "dashboard/webhooks/messages/<str:message_id>": f"dashboard/webhooks/messages/{message.public_id}",
        "dashboard/webhooks/<str:public_id>": f"dashboard/webhooks/{message.endpoint.public_id}",
        "gallery/<str:public_id>": f"gallery/{drawn.public_id}",
        "images/<str:file_name>": f"images/{drawn.file_token}.{drawn.file_extension}",
        "dashboard/billing/payments/<int:number>": f"dashboard/billing/payments/{dispute.payment_id}",
        "<int:year>-<int:month>": f"{drawn.created_at:%Y-%m}",
        "<image_id>": drawn.public_id,
        "<model_id>": "text2image_v1",
    }


def went(client: Client, path: str, method: str = "") -> str:
    """Return the status of an answer, or which kind of page it leads to."""
    cache.clear()
    answer: HttpResponseBase = client.generic(method or "GET", path)
    answer.close()  # a stream, too
    if answer.status_code == 405 and not method:
        return went(client, path, "POST")
    if answer.status_code in (301, 302):
        if "/reauthenticate/" in answer["Location"]:
            return "200"  # once they have proved again who they are
        return "in" if "/login/" in answer["Location"] else "->"
    return str(answer.status_code)


def filled(address: str, ids: dict[str, str]) -> str:
    for part, value in ids.items():
        address = address.replace(part, value)
    return f"/{address}"


def test_each_address_answers_as_the_table_says(everybody: dict[str, Client], ids: dict[str, str]) -> None:
    table = read()
    found = {address: filled(address, ids) for address in addresses()}
    assert set(table) == set(found), "say in the table what an address answers"
    wrong = []
    for address, (stranger, owner, other) in table.items():
        for who, client in everybody.items():
            if stranger == other and who not in ("stranger", "owner", "superuser"):
                continue  # what is everybody's, or nobody's
            expected = {"stranger": stranger, "owner": owner}.get(who, other)
            if (got := went(client, found[address])) != expected:
                wrong.append(f"{address}: {who} got {got}, and not {expected}")
    assert wrong == []


def test_no_log_in_opens_what_is_for_keys() -> None:
    for address, answers in read().items():
        if address.startswith(WORKS_FOR_KEYS) and "<" in address:
            assert answers[0] == answers[1] == answers[2], address
            assert answers[0] in ("401", "405"), address


def test_nobody_changes_by_a_form_what_is_somebody_elses(
    everybody: dict[str, Client], ids: dict[str, str], alice: User
) -> None:
    before = belongings(alice)
    for address in read():
        if "<" in address:
            for who, client in everybody.items():
                if who != "owner":
                    got = went(client, filled(address, ids), "POST")
                    assert got in ("in", "->", "400", "401", "403", "404", "405", "409", "415"), (address, who)
                    assert belongings(alice) == before, (address, who)


def belongings(alice: User) -> list[object]:
    """Return what Alice has, as it is."""
    return [
        list(alice.api_keys.values()),
        list(Generation.objects.filter(wallet__user=alice).values()),
        list(WebhookEndpoint.objects.filter(wallet__user=alice).values()),
        WebhookDelivery.objects.filter(wallet__user=alice).count(),
        list(Wallet.objects.filter(user=alice).values("balance", "rate_limit", "plan_id")),
    ]
