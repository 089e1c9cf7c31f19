"""A picture that somebody brought, as its owner sees it."""

from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from billing import ledger
from generator.files import uploads
from kit.http import parts, signed


@login_required
@require_safe
async def upload(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """Send an upload to its owner, and to nobody else."""
    user_id = (await request.auser()).pk
    assert user_id is not None
    try:
        return await parts.answer(request, lambda: _stored(user_id, public_id))
    except FileNotFoundError:
        raise Http404 from None


def _stored(user_id: int, public_id: str) -> parts.Stored:
    found = uploads.find(ledger.wallet_of(user_id), public_id)
    if found is None:
        raise FileNotFoundError
    return parts.Stored(
        uploads.path_of(found.file_name),
        uploads.media_type_of(found),
        found.public_id,
        found.created_at,
        headers={"Cache-Control": "private, no-store", "Cross-Origin-Resource-Policy": "same-origin"},
        signed_for=signed.MINUTE,
        kept_in=storages["private"],
    )
