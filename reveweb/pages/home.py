"""The landing page, and the way from its prompt box to the studio."""

from uuid import UUID, uuid4, uuid5

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from generator.ask import drafts
from kit.http.requests import without_nul
from kit.text import is_blank
from reveweb.pages.landing import pictures
from reveweb.pages.pricing import prices

EXAMPLES = (
    ("A lighthouse keeper’s kitchen at dawn, steam rising from a copper kettle", "3:2"),
    ("A concert poster with the words “Night Garden” in hand-painted letters", "2:3"),
    ("A paper-cut fox crossing a river of folded blue ribbons", "16:9"),
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what the site is."""
    context = {"examples": EXAMPLES, "shots": pictures(), "nonce": uuid4(), **prices(request)}
    return render(request, "home.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Take the landing page's prompt, one of its ideas or one of its pictures to the studio, by way of signing up.

    Who pressed Generate gets the image there at once. An idea or a picture is only taken up: the studio shows the
    words, and what pressing Generate costs.
    """
    wanted = _wanted(request)
    has_pressed = not request.POST.keys() & {"idea", "picture"} and not is_blank(wanted["prompt"])
    drafts.keep(request.session, wanted, press=_nonce(request, wanted["prompt"]) if has_pressed else None)
    if request.user.is_authenticated:
        return redirect("create")
    return redirect(f"{reverse('account_signup')}?{urlencode({'next': reverse('create')})}")


def _nonce(request: HttpRequest, prompt: str) -> UUID:
    """Return the same for a press that is sent twice, another for other words from the same page."""
    try:
        return uuid5(UUID(request.POST.get("nonce", "")), prompt)
    except ValueError:
        return uuid4()


def _wanted(request: HttpRequest) -> dict[str, str]:
    """Return the studio's settings that a form of the landing page asks for."""
    if shot := pictures().get(request.POST.get("picture", "")):
        return {"prompt": shot.prompt, "aspect_ratio": shot.aspect_ratio}
    chosen = request.POST.get("idea", "")
    for number, (prompt, aspect_ratio) in enumerate(EXAMPLES):
        if chosen == str(number):
            return {"prompt": prompt, "aspect_ratio": aspect_ratio}
    return {"prompt": without_nul(request.POST.get("prompt", ""))}
