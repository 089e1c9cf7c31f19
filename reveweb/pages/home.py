"""The landing page, and the way from its prompt box to the studio."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from generator.ask import drafts
from kit.http.requests import without_nul
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
    context = {"examples": EXAMPLES, "shots": pictures(), **prices(request)}
    return render(request, "home.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Take the landing page's prompt, one of its ideas or one of its pictures to the studio, by way of signing up.

    Nothing is drawn yet: the studio shows the words, and what pressing Generate costs.
    """
    drafts.keep(request.session, _wanted(request))
    if request.user.is_authenticated:
        return redirect("create")
    return redirect(f"{reverse('account_signup')}?{urlencode({'next': reverse('create')})}")


def _wanted(request: HttpRequest) -> dict[str, str]:
    """Return the studio's settings that a form of the landing page asks for."""
    if shot := pictures().get(request.POST.get("picture", "")):
        return {"prompt": shot.prompt, "aspect_ratio": shot.aspect_ratio}
    chosen = request.POST.get("idea", "")
    for number, (prompt, aspect_ratio) in enumerate(EXAMPLES):
        if chosen == str(number):
            return {"prompt": prompt, "aspect_ratio": aspect_ratio}
    return {"prompt": without_nul(request.POST.get("prompt", ""))}
