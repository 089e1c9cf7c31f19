"""What people do with images of their own: mark, share, throw away, take back."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from billing.pages.wallet import wallet_of
from generator.jobs import lifecycle
from generator.library import favourites, sharing, trash
from generator.models import REMIX_MOST_INPUTS, Generation, Operation
from generator.pages.cards import wall_html
from generator.pages.chosen import ids_of, selection_of, together_of
from generator.pages.owner import HtmxRequest, own_generation, owners_act, page_before, wants_json


@owners_act
def favourite(request: HtmxRequest, public_id: str) -> HttpResponse:
    """Mark an image, or take the mark off: `on` is 1 or 0.

    Answers htmx with the heart as it is now, and says "favourite" {id, on} on the page.
    """
    generation = own_generation(request, public_id)
    if generation.is_test:
        raise Http404
    on = _switch(request, "on")
    if on is None:
        raise BadRequest("Send on=1 or on=0.")
    favourites.mark(generation, favourite=on)
    if not request.htmx:
        return redirect(page_before(request, reverse("generation", args=[public_id])))
    response = render(request, "generator/favourite.html", {"generation": generation})
    return trigger_client_event(response, "favourite", {"id": public_id, "on": on})


@owners_act
def favourite_many(request: HtmxRequest) -> HttpResponse:
    """Mark many images, or take the marks off: `ids` or `all` as for `delete`, `on` is 1 or 0.

    Answers htmx with nothing.
    """
    wallet, on = wallet_of(request), _switch(request, "on")
    if on is None:
        raise BadRequest("Send on=1 or on=0.")
    if selection := selection_of(request, wallet):
        count = favourites.mark_selection(wallet, selection, favourite=on)
    else:
        count = favourites.mark_all(wallet, ids_of(request), favourite=on)
    if not count:
        raise Http404
    if request.htmx:
        return HttpResponse(status=204)
    images = "1 image" if count == 1 else f"{count:,} images"
    messages.success(request, f"Added {images} to favourites." if on else f"Removed {images} from favourites.")
    return redirect(page_before(request, reverse("gallery")))


@owners_act
def use_as_reference(request: HttpRequest) -> HttpResponse:
    """Lead to the studio with the first of the images `ids` as references."""
    sources = [("source", id) for id in ids_of(request)[:REMIX_MOST_INPUTS]]
    return redirect(f"{reverse('create')}?{urlencode([('mode', Operation.REMIX.value), *sources])}")


@owners_act
def share(request: HtmxRequest, public_id: str) -> HttpResponse:
    """Turn an image's public link on or off (`on`), or its place on Explore (`listed`); each is 1 or 0."""
    generation = own_generation(request, public_id)
    if generation.status != Generation.Status.COMPLETED or generation.is_test:
        raise Http404
    on, listed = _switch(request, "on"), _switch(request, "listed")
    if on is None and listed is None:
        raise BadRequest("Send on or listed as 1 or 0.")
    if on is not None:
        (sharing.share if on else sharing.unshare)(generation)
    refused = listed is not None and settings.EXPLORE and not sharing.show_on_explore(generation, listed=listed)
    if not request.htmx:
        if refused:
            messages.warning(request, "This image was taken off Explore by the people who run this site.")
        return redirect(f"{reverse('generation', args=[public_id])}#share")
    return render(request, "generator/share.html", {"generation": generation, "refused": refused})


@owners_act
def cancel(request: HtmxRequest, public_id: str) -> HttpResponse:
    """End an image that no worker has taken yet; its credit returns at once.

    Answers the page's script with the image as it is now and the balance; else leads to the studio.
    """
    generation = own_generation(request, public_id)
    cancelled = lifecycle.cancel(generation)
    generation.refresh_from_db()
    if wants_json(request):
        wallet = wallet_of(request)
        body = {"cancelled": cancelled, "html": wall_html([generation], fresh=True), "balance": wallet.balance}
        return JsonResponse(body, headers={"Cache-Control": "no-store"})
    if cancelled:
        messages.success(request, f"The image is cancelled. {generation.returned}")
    elif not generation.is_final:
        messages.warning(
            request, "It was too late to cancel: the image is being drawn. You can delete it when it is done."
        )
    return redirect("create")


@owners_act
def delete(request: HtmxRequest) -> HttpResponse:
    """Move images to the trash: those in `ids`, or `all` that a filter found (`pages.chosen`).

    Answers htmx with the notice that offers to take them back (`generator/trashed.html`); else leads to the gallery,
    which shows that notice. Doing it twice changes nothing.
    """
    wallet = wallet_of(request)
    if selection := selection_of(request, wallet):
        trash.discard_all(wallet, selection)
        drawing = 0  # no gallery shows them
    else:
        ids = ids_of(request)
        if not trash.owns_any(wallet, ids):
            raise Http404
        trash.discard(wallet, ids)
        drawing = trash.unfinished(wallet, ids)
    if request.htmx:
        return render(request, "generator/trashed.html", {"trashed": trash.last_trashed(wallet), "drawing": drawing})
    if drawing:
        messages.warning(request, "What is still being drawn can't be deleted. Wait until it is done, then delete it.")
    return redirect("gallery")


@owners_act
def kept_of(request: HtmxRequest) -> JsonResponse:
    """Which of the images in `ids` the gallery still shows, and whether each is a favourite: {"kept": {id: bool}}.

    For a page that comes back: it may be as old as the browser's memory.
    """
    there = wallet_of(request).generations.completed().filter(public_id__in=ids_of(request))
    return JsonResponse({"kept": dict(there.values_list("public_id", "is_favourite"))})


@owners_act
def restore(request: HtmxRequest) -> HttpResponse:
    """Restore images that were trashed a short while ago: all that went `together`, or those in `ids`.

    Answers htmx with nothing, and says "restored" {count} on the page; else leads to the gallery.
    """
    wallet = wallet_of(request)
    if at := together_of(request):
        count = trash.restore_together(wallet, at)
    else:
        ids = ids_of(request)
        count = trash.restore(wallet, ids)
        if not count and not trash.owns_any(wallet, ids):
            raise Http404
    if request.htmx:
        return trigger_client_event(HttpResponse(), "restored", {"count": count})
    if count:
        messages.success(request, "The image is back." if count == 1 else f"{count:,} images are back.")
    return redirect("gallery")


def _switch(request: HttpRequest, name: str) -> bool | None:
    """Return a switch of the form, None when it is neither on nor off."""
    return {"1": True, "0": False}.get(request.POST.get(name, ""))
