"""Dashboard → Billing: a month on paper."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from billing.models import Wallet
from billing.pages.wallet import wallet_of
from billing.statements import figures
from kit.threads import let_go


@login_required
@require_safe
def statement(request: HttpRequest, year: int, month: int) -> HttpResponse:
    """Send the statement of a month of the viewer's own account."""
    return answer(wallet_of(request), year, month)


def answer(wallet: Wallet, year: int, month: int) -> HttpResponse:
    """Return a month of `wallet` as PDF; nobody keeps a copy on the way. Raises Http404 where there is none."""
    try:
        found = figures.statement(wallet, year, month)
    except (ValueError, OverflowError):  # a year that no calendar has
        raise Http404 from None
    let_go()
    from billing.statements import paper  # only here: no process but one that prints begins with what draws PDFs

    response = HttpResponse(paper.pdf(found), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="statement-{found.first:%Y-%m}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response
