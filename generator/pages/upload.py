"""Pictures that somebody brings to the studio, as their owner sees them, and those to pick from."""

from typing import IO, cast

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing import ledger
from billing.models import Wallet
from billing.pages.wallet import wallet_of
from generator.ask import inputs, limits
from generator.errors import GeneratorError
from generator.files import uploads
from generator.library import listing
from generator.models import Upload
from generator.pages.refusals import refusal_of
from generator.pages.sources import source_of
from kit.http import parts, signed
from kit.storage import StorageAway
from kit.threads import let_go


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


@require_POST
@never_cache
def take(request: HttpRequest) -> HttpResponse:
    """Keep the form's `file`, and say in JSON under which id; or what is wrong with it, in words."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "Your log-in has ended. Log in again; your words stay."}, status=401)
    file = request.FILES.get("file")
    if file is None:
        return JsonResponse({"error": "Choose a picture first."}, status=422)
    wallet = wallet_of(request)
    let_go()  # the file is stored meanwhile
    try:
        kept = async_to_sync(_take)(wallet, cast(IO[bytes], file))
    except StorageAway:
        return JsonResponse({"error": "Pictures can't be kept for the moment. Try again shortly."}, status=503)
    except GeneratorError as error:
        refusal = refusal_of(error, 1)
        words = refusal.words.replace(" Nothing was charged.", "")
        if refusal.status == 429:
            words = "That were many pictures in a short time. Wait a minute, then go on."
        return JsonResponse({"error": words}, status=refusal.status)
    return JsonResponse(source_of(kept).told, status=201)


@login_required
@require_safe
@never_cache
def pick(request: HttpRequest) -> HttpResponse:
    """Tell the page's script the account's newest images, to pick from; `?before=` goes on from one."""
    if "application/json" not in request.headers.get("Accept", ""):
        return redirect("gallery")
    page = listing.page(wallet_of(request), before=request.GET.get("before", "")[:40])
    found = [{**source_of(one).told, "words": one.prompt[:160]} for one in page.images]
    return JsonResponse({"images": found, "older": page.older})


async def _take(wallet: Wallet, file: IO[bytes]) -> Upload:
    await limits.take_uploads_soon(wallet, 1)
    return await inputs.bring(wallet, file, "picture")


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
