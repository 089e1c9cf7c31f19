"""The operator's brand, where files need it: a stylesheet, icons, and what a phone's home screen asks for.

Pages name the hue in each address, so that another one is another file to a cache.
"""

from functools import lru_cache
from io import BytesIO

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from PIL import Image, ImageDraw

from kit.accent import to_hex

PAPER, DARK_PAPER = "#fbf8f4", "#110f0c"  # --paper of static/css/tokens.css, for readers that know no oklch
ICON_SIZES = (180, 192, 512)
_DRAWN_AT = 4  # times the size: Pillow's edges are hard, scaling down softens them

forever = cache_control(public=True, max_age=31_536_000, immutable=True)


@require_safe
@forever
def stylesheet(request: HttpRequest) -> HttpResponse:
    """Set the accent's hue."""
    return HttpResponse(f":root{{--accent-hue:{settings.ACCENT_HUE}}}\n", content_type="text/css")


@require_safe
@forever
def icon_svg(request: HttpRequest) -> HttpResponse:
    """The icon for a browser's tab: a framed picture on the accent colour."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="8" fill="{_accent()}"/>'
        '<rect x="8" y="7" width="16" height="18" rx="1.5" fill="none" stroke="#fff" stroke-width="2"/>'
        '<circle cx="16" cy="16" r="3.4" fill="#fff"/></svg>'
    )
    return HttpResponse(svg, content_type="image/svg+xml")


@require_safe
@forever
def icon_png(request: HttpRequest, size: int) -> HttpResponse:
    """The same icon for home screens, which want it square and in PNG."""
    if size not in ICON_SIZES:
        raise Http404
    return HttpResponse(_png(size, _accent()), content_type="image/png")


@require_safe
@cache_control(public=True, max_age=3600)
def manifest(request: HttpRequest) -> HttpResponse:
    """What a phone needs to keep the site among its apps."""
    icons = [
        {"src": f"{reverse('icon_png', args=[size])}?hue={settings.ACCENT_HUE}", "sizes": f"{size}x{size}"}
        for size in ICON_SIZES[1:]
    ]
    body = {
        "name": settings.SITE_NAME,
        "short_name": settings.LOGO_TEXT,
        "start_url": reverse("create"),
        "scope": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "icons": [{**icon, "type": "image/png", "purpose": "any maskable"} for icon in icons],
    }
    return JsonResponse(body, content_type="application/manifest+json")


def _accent() -> str:
    return to_hex(0.47, 0.22, settings.ACCENT_HUE)


@lru_cache(maxsize=len(ICON_SIZES))
def _png(size: int, accent: str) -> bytes:
    scale = size * _DRAWN_AT / 32
    large = Image.new("RGB", (size * _DRAWN_AT, size * _DRAWN_AT), accent)
    draw = ImageDraw.Draw(large)
    frame = tuple(round(at * scale) for at in (7, 6, 25, 26))
    draw.rounded_rectangle(frame, radius=2.5 * scale, outline="#ffffff", width=round(2 * scale))
    dot = tuple(round(at * scale) for at in (12.6, 12.6, 19.4, 19.4))
    draw.ellipse(dot, fill="#ffffff")
    buffer = BytesIO()
    large.resize((size, size), Image.Resampling.LANCZOS).quantize(16).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
