"""Pages: the apps, what a request passes, the brand, and what a page may load."""

from typing import Any
from urllib.parse import urlsplit

from reveweb.settings.data import IMAGE_BASE_URL
from reveweb.settings.env import BASE_DIR, env
from reveweb.settings.money import EMBEDDED_STRIPE, PAYMENTS, STRIPE, STRIPE_API_BASE
from reveweb.settings.people import SOCIAL_PROVIDERS, SOCIALACCOUNT_PROVIDERS
from reveweb.settings.where import DEBUG, SITE_NAME

LOGO_TEXT = env.text("LOGO_TEXT", SITE_NAME)
ACCENT_HUE = env.whole("ACCENT_HUE", 274, most=360)  # degrees in oklch; lightness keeps the contrast whatever the hue
SUPPORT_EMAIL = env.mailbox("SUPPORT_EMAIL")
TERMS_URL, PRIVACY_URL = env.address("TERMS_URL"), env.address("PRIVACY_URL")
STATUS_URL = env.address("STATUS_URL")
EXPLORE = env.flag("EXPLORE", False)

INSTALLED_APPS = [
    "unfold",  # before the admin whose templates it replaces
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    *SOCIAL_PROVIDERS,
    "allauth.usersessions",
    "corsheaders",
    "csp",
    "django_htmx",
    "heroicons",
    "accounts",
    "billing",
    "generator",
    "reveweb",
]

# What a page passes. One layer that is not async, and there are some, makes all of it run on a thread of the request's.
MIDDLEWARE = [
    "reveweb.middleware.named_request",
    "django.middleware.security.SecurityMiddleware",
    "reveweb.middleware.ContentSecurityPolicy",
    "reveweb.middleware.PermissionsPolicy",
    "reveweb.middleware.refused_body",
    "reveweb.middleware.StaticFiles",
    "reveweb.middleware.Compression",
    "reveweb.middleware.PrivatePages",
    "reveweb.login.strangers.StrangersSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "reveweb.login.viewer.ViewerCookie",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "reveweb.login.activity.session_activity",
    "reveweb.login.pressed.PressedForms",
    "reveweb.middleware.StorageAnswers",
]

# What the other lane passes (`reveweb.lanes`): all that may wait, and knows no page. Each layer must be async.
API_MIDDLEWARE = [
    "reveweb.middleware.named_request",
    "reveweb.noting.noted",
    "reveweb.middleware.preflights_in_json",
    "reveweb.middleware.as_openai_says_it",
    "corsheaders.middleware.CorsMiddleware",
    "reveweb.https.over_https",
]

CSRF_FAILURE_VIEW = "reveweb.login.pressed.csrf_failed"
ROOT_URLCONF = "reveweb.urls"
ASGI_APPLICATION = "reveweb.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "django.templatetags.static",
                "heroicons.templatetags.heroicons",
                "kit.moments",
                "generator.templatetags.prices",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "reveweb.context.site",
            ],
        },
    },
]

if DEBUG:  # read an edited template again; otherwise Django keeps what it has compiled
    TEMPLATES[0]["APP_DIRS"] = False
    TEMPLATES[0]["OPTIONS"]["loaders"] = [
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
    ]

CORS_URLS_REGEX = r"^/(v1|v2|images|api|mcp)(/|$)"
CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_CREDENTIALS = False
# What callers in browsers send: what the API reads, and what their libraries and tracing add.
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "baggage",
    "cache-control",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-credits",
    "mcp-session-id",
    "prefer",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-requested-with",
    # What OpenAI's clients say of themselves with each request.
    "x-stainless-arch",
    "x-stainless-custom-poll-interval",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-poll-helper",
    "x-stainless-read-timeout",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
]
# What answers to OpenAI's clients have beside ours.
OPENAI_HEADERS = [
    "openai-processing-ms",
    "retry-after-ms",
    "x-model",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-should-retry",
]
CORS_EXPOSE_HEADERS = [
    "idempotent-replayed",
    "mcp-session-id",
    "preference-applied",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "x-credits-charged",
    "x-credits-remaining",
    "x-credits-would-charge",
    "x-request-id",
    "x-reve-content-violation",
    "x-reve-credits-remaining",
    "x-reve-credits-used",
    "x-reve-error-code",
    "x-reve-request-id",
    "x-reve-version",
    *OPENAI_HEADERS,
]

# --- What a page may load (Content-Security-Policy)


def _origin(url: str) -> str:
    """Return what a policy calls the host of `url`; with a path it would allow that one path alone."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


# Another server with Stripe's API has pages of its own, unless it only passes on what Stripe says.
_STRIPE_PAGES = [
    *([] if EMBEDDED_STRIPE else ["https://checkout.stripe.com", "https://billing.stripe.com"]),
    *([] if STRIPE_API_BASE == STRIPE else [_origin(STRIPE_API_BASE)]),
]
_LOGINS = {"google": "https://accounts.google.com", "github": "https://github.com"}
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "data:", *([_origin(IMAGE_BASE_URL)] if IMAGE_BASE_URL else [])],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        # Chromium checks where an answer to a form redirects to as well.
        "form-action": [
            "'self'",
            *(_STRIPE_PAGES if PAYMENTS else []),
            *(_LOGINS[name] for name in SOCIALACCOUNT_PROVIDERS),
        ],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
# The admin's Alpine evaluates expressions and its widgets set styles; only staff see it.
ADMIN_CONTENT_SECURITY_POLICY = {
    **CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": ["'self'", "'unsafe-eval'", "'unsafe-inline'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:", "blob:", *([_origin(IMAGE_BASE_URL)] if IMAGE_BASE_URL else [])],
}

# --- What a page may ask of the device (Permissions-Policy): what its scripts use, and of the rest nothing

_USED = ("clipboard-write", "fullscreen", "publickey-credentials-create", "publickey-credentials-get")
_UNUSED = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid", "magnetometer", "microphone"),
    *("midi", "payment", "serial", "usb", "xr-spatial-tracking"),
)
PERMISSIONS_POLICY = ", ".join([*(f"{name}=(self)" for name in _USED), *(f"{name}=()" for name in _UNUSED)])
