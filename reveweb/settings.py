"""Every setting of reveweb, each read from the environment; docs/configuration.md describes them all.

The defaults run everything on one machine with nothing else installed. Setting `REVE_API_KEY` leaves the
sandbox: from then on, with `DEBUG` off, the process is in production and refuses to start without its secrets.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from reveweb import embedded

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.Env):  # type: ignore[misc]  # django-environ has no types
    """The environment; a value of the wrong kind is told by its variable's name."""

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            kind = getattr(cast, "__name__", str(cast))
            raise ImproperlyConfigured(f"{var} is set to something that is no {kind}.") from None


env = Env()
env_file = env.str("ENV_FILE", str(BASE_DIR / ".env"))
if env_file and Path(env_file).is_file():
    environ.Env.read_env(env_file)

# --- Where it runs ---------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
VAR_DIR = Path(env.str("VAR_DIR", str(BASE_DIR / "var"))).resolve()
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000)
WEB_WORKERS = env.int("WEB_WORKERS", 1)
WORKER_THREADS = env.int("WORKER_THREADS", 16)
PUBLIC_URL = env.str("PUBLIC_URL", "").rstrip("/")

REVE_API_KEY = env.str("REVE_API_KEY", "")
SANDBOX = not REVE_API_KEY
PRODUCTION = not DEBUG and not SANDBOX

SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    if PRODUCTION:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Production (REVE_API_KEY set, DEBUG off) needs its own secret of 50 or more "
            "random characters: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    SECRET_KEY = embedded.secret("secret-key", VAR_DIR)
elif PRODUCTION and (len(SECRET_KEY) < 32 or SECRET_KEY.startswith(("change", "django-insecure"))):
    raise ImproperlyConfigured("SECRET_KEY is a placeholder or shorter than 32 characters: set a random one.")

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
if not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    if PUBLIC_URL:
        ALLOWED_HOSTS.append(urlsplit(PUBLIC_URL).hostname or "")
    elif not PRODUCTION:
        ALLOWED_HOSTS.append("*")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# Set when a proxy in front terminates TLS and always sets X-Forwarded-Proto.
if env.bool("BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    TRUST_FORWARDED_FOR = True
else:
    TRUST_FORWARDED_FOR = False

SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 31_536_000 if SECURE else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", False)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# --- The brand -------------------------------------------------------------------------------------------------

SITE_NAME = env.str("SITE_NAME", "reveweb")
LOGO_TEXT = env.str("LOGO_TEXT", "") or SITE_NAME
ACCENT_HUE = env.int("ACCENT_HUE", 274)  # degrees in oklch; lightness keeps the contrast whatever the hue
if not 0 <= ACCENT_HUE <= 360:
    raise ImproperlyConfigured("ACCENT_HUE is an angle from 0 to 360.")
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", "")
EXPLORE = env.bool("EXPLORE", False)

# --- The apps --------------------------------------------------------------------------------------------------

GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", "")
GITHUB_CLIENT_ID = env.str("GITHUB_CLIENT_ID", "")
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {}
if GOOGLE_CLIENT_ID:
    SOCIALACCOUNT_PROVIDERS["google"] = {
        "APPS": [{"client_id": GOOGLE_CLIENT_ID, "secret": env.str("GOOGLE_CLIENT_SECRET", "")}],
        "SCOPE": ["profile", "email"],
        "OAUTH_PKCE_ENABLED": True,
    }
if GITHUB_CLIENT_ID:
    SOCIALACCOUNT_PROVIDERS["github"] = {
        "APPS": [{"client_id": GITHUB_CLIENT_ID, "secret": env.str("GITHUB_CLIENT_SECRET", "")}],
        "SCOPE": ["user:email"],
    }
SOCIAL_PROVIDERS = [f"allauth.socialaccount.providers.{name}" for name in SOCIALACCOUNT_PROVIDERS]

INSTALLED_APPS = [
    "unfold",  # before the admin whose templates it replaces
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
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
    "import_export",
    "accounts",
    "billing",
    "generator",
    "reveweb",
]

# The API, images and health checks leave the chain at ApiDoor: they know no cookies and pay for no page middleware.
MIDDLEWARE = [
    "reveweb.middleware.RequestId",
    "corsheaders.middleware.CorsMiddleware",
    "reveweb.middleware.ApiDoor",
    "django.middleware.security.SecurityMiddleware",
    "reveweb.middleware.ContentSecurityPolicy",
    "reveweb.middleware.StaticFiles",
    "reveweb.middleware.Compression",
    "reveweb.middleware.PrivatePages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "reveweb.account.activity.SessionActivity",
]

ROOT_URLCONF = "reveweb.urls"
ASGI_APPLICATION = "reveweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.static", "heroicons.templatetags.heroicons"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "reveweb.context.site",
            ],
        },
    },
]

CORS_URLS_REGEX = r"^/(v1|images)/"
CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "user-agent", "x-requested-with"]
CORS_EXPOSE_HEADERS = [
    "idempotent-replayed",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "x-credits-charged",
    "x-credits-remaining",
    "x-request-id",
]

# --- Data ------------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", f"sqlite:///{VAR_DIR / 'reveweb.sqlite3'}")
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # A transaction takes the write lock when it begins: two that read first and write later would
        # otherwise deadlock, and SQLite answers that with an error at once instead of waiting.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # on disk: tests use several connections
elif DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Requests run on short-lived threads, so connections are kept by a pool and not by a thread.
    DATABASES["default"]["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 12), "timeout": 20}
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMBEDDED_REDIS = not env.str("REDIS_URL", "")
REDIS_URL = env.str("REDIS_URL", "") or f"redis://127.0.0.1:{embedded.port('valkey', VAR_DIR)}/0"
# The prefix keeps its keys apart from those of rate limits and the broker, which live in the same database.
CACHES = {"default": {"BACKEND": "reveweb.cache.SharedCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "reveweb-cache"}}

# --- Images ----------------------------------------------------------------------------------------------------

S3_BUCKET = env.str("S3_BUCKET", "")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "images", "allow_overwrite": True},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if S3_BUCKET:
    from boto3.s3.transfer import TransferConfig  # here, for it takes a while and few need it

    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": env.str("S3_ENDPOINT_URL", "") or None,
            "region_name": env.str("S3_REGION", "") or None,
            "access_key": env.str("S3_ACCESS_KEY", "") or None,
            "secret_key": env.str("S3_SECRET_KEY", "") or None,
            "location": env.str("S3_PREFIX", "images"),
            "file_overwrite": True,
            "default_acl": None,
            # A file that is opened is fetched whole before it is sent on: beyond this many bytes onto the disk, not
            # into memory, where an export of gigabytes would have no room. One part at a time, for ten at once would
            # be held there until the disk has them.
            "max_memory_size": 1024 * 1024,
            "transfer_config": TransferConfig(use_threads=False),
        },
    }
# What only its owner may fetch: exports. Never under the path of the public images.
STORAGES["private"] = {
    **STORAGES["default"],
    "OPTIONS": {
        **STORAGES["default"]["OPTIONS"],
        "location": f"{env.str('S3_PREFIX', 'images')}-private" if S3_BUCKET else VAR_DIR / "private",
    },
}
# When set, image URLs start here instead of at PUBLIC_URL: a CDN whose origin is this site.
IMAGE_BASE_URL = env.str("IMAGE_BASE_URL", "").rstrip("/")
IMAGE_MAX_BYTES = env.int("IMAGE_MAX_BYTES", 32 * 1024 * 1024)
IMAGE_MAX_PIXELS = env.int("IMAGE_MAX_PIXELS", 40_000_000)

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [
    *filter(Path.is_dir, [VAR_DIR / "own"]),  # what an operator has of their own, such as the landing page's pictures
    BASE_DIR / "static",
]
WHITENOISE_MAX_AGE = 3600

# --- Work ------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY = False
# A publish must fail fast: the row is already committed and the beat finds it.
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_connect_timeout": 2, "socket_timeout": 30, "max_retries": 0}
    if CELERY_BROKER_URL.startswith("redis")
    else {}
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "reveweb"

# --- The upstream ----------------------------------------------------------------------------------------------

SANDBOX_SECONDS = env.float("SANDBOX_SECONDS", 3.0)
# The sandbox serves only when nothing else is named.
EMBEDDED_SANDBOX = SANDBOX and not env.str("REVE_API_URL", "")
REVE_API_URL = env.str("REVE_API_URL", "").rstrip("/") or (
    f"http://127.0.0.1:{embedded.port('sandbox', VAR_DIR)}" if SANDBOX else "https://api.reve-art.com"
)
UPSTREAM_API_KEY = REVE_API_KEY or "sandbox"
UPSTREAM_TIMEOUT_SECONDS = env.float("UPSTREAM_TIMEOUT_SECONDS", 30.0)
UPSTREAM_TYPICAL_SECONDS = env.float("UPSTREAM_TYPICAL_SECONDS", SANDBOX_SECONDS if SANDBOX else 8.0)
GENERATION_DEADLINE_SECONDS = env.int("GENERATION_DEADLINE_SECONDS", 600)
SYNC_WAIT_SECONDS = env.float("SYNC_WAIT_SECONDS", 120.0)

# --- Payments --------------------------------------------------------------------------------------------------

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "").rstrip("/") or "https://api.stripe.com"
# Without a key payments are simulated, and in production, where that would give credits away, there are none.
PAYMENTS = bool(STRIPE_SECRET_KEY) or not PRODUCTION
EMBEDDED_STRIPE = PAYMENTS and not STRIPE_SECRET_KEY
if EMBEDDED_STRIPE:
    STRIPE_SECRET_KEY = "sk_test_sandbox"  # noqa: S105 (opens nothing but the stand-in)
    STRIPE_WEBHOOK_SECRET = STRIPE_WEBHOOK_SECRET or "whsec_" + embedded.secret("stripe-webhook-secret", VAR_DIR)
    STRIPE_API_BASE = env.str("STRIPE_API_BASE", "").rstrip("/") or (
        f"http://127.0.0.1:{embedded.port('sandbox', VAR_DIR)}"
    )
elif STRIPE_SECRET_KEY and not STRIPE_WEBHOOK_SECRET:
    raise ImproperlyConfigured(
        "STRIPE_WEBHOOK_SECRET is not set; with STRIPE_SECRET_KEY it is needed to hear of payments."
    )
# Part of idempotency keys, so that two installations on one Stripe account do not meet.
INSTALLATION_ID = hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:12]

# --- What a page may load (Content-Security-Policy) -------------------------------------------------------------

_STRIPE_PAGES = [STRIPE_API_BASE] if EMBEDDED_STRIPE else ["https://checkout.stripe.com", "https://billing.stripe.com"]
_LOGINS = {"google": "https://accounts.google.com", "github": "https://github.com"}
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", *([IMAGE_BASE_URL] if IMAGE_BASE_URL else [])],
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
    "font-src": ["'self'"],
    "img-src": ["'self'", "data:", "blob:", *([IMAGE_BASE_URL] if IMAGE_BASE_URL else [])],
}

# --- Limits and credits ----------------------------------------------------------------------------------------

RATE_LIMIT_PER_MINUTE = env.int("RATE_LIMIT_PER_MINUTE", 10)
STATUS_RATE_LIMIT_PER_MINUTE = env.int("STATUS_RATE_LIMIT_PER_MINUTE", 600)
WELCOME_CREDITS = env.int("WELCOME_CREDITS", 3)
LOW_BALANCE_CREDITS = env.int("LOW_BALANCE_CREDITS", 5)
SUPPORT_GRANT_LIMIT = env.int("SUPPORT_GRANT_LIMIT", 20)

# --- People ----------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["reveweb.account.backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_ADAPTER = "reveweb.adapter.Adapter"
ACCOUNT_FORMS = {
    "add_email": "reveweb.account.forms.ChangeEmailForm",
    "reset_password": "reveweb.account.forms.ResetPasswordForm",
    "signup": "reveweb.account.forms.SignupForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", "none" if SANDBOX else "mandatory")
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_CHANGE_EMAIL = True  # one address, which the next replaces once it is confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail about each change of what opens the account
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_CONFIRMATION_AUTHENTICATED_REDIRECT_URL = "/account/"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TRUST_ENABLED = True  # a browser can be spared the second step for 14 days, or until what opens the account changes
MFA_TOTP_ISSUER = SITE_NAME
MFA_TOTP_TOLERANCE = 1  # clocks of phones may be half a minute off
# Unless it is mandatory to confirm an address before the first login, somebody else's could be locked in behind a code.
MFA_ALLOW_UNVERIFIED_EMAIL = SANDBOX or ACCOUNT_EMAIL_VERIFICATION == "mandatory"
MFA_ADAPTER = "reveweb.account.adapters.MfaAdapter"
MFA_FORMS = {
    "authenticate": "reveweb.account.codes.AuthenticateForm",
    "reauthenticate": "reveweb.account.codes.ReauthenticateForm",
}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = SANDBOX  # passkeys on http://localhost
SOCIALACCOUNT_ADAPTER = "reveweb.account.adapters.SocialAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # a provider's word for an address does not open an account that has it
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "create"
LOGOUT_REDIRECT_URL = "home"

DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", f"{SITE_NAME} <noreply@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
if env.str("EMAIL_URL", ""):
    vars().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "reveweb.letterbox.FolderBackend"
LETTERBOX = VAR_DIR / "mail"
# Whoever reaches the site can read every mail there, links that open accounts included: never where people are.
# Whoever reaches the site can read it: never where it stands in public.
LOCAL_INBOX = not env.str("EMAIL_URL", "") and SANDBOX and not SECURE
EMAIL_TIMEOUT = 10  # seconds that a mail server may keep a worker waiting

# --- The admin -------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": f"{SITE_NAME} admin",
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": "Admin",
    "SITE_SYMBOL": "imagesmode",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: f"/icon.svg?hue={ACCENT_HUE}"}],
    "SHOW_HISTORY": False,  # acts are in the audit records
    "SHOW_VIEW_ON_SITE": True,
    "BORDER_RADIUS": "8px",
    "STYLES": ["reveweb.admin.site.stylesheet"],
    "DASHBOARD_CALLBACK": "reveweb.admin.dashboard.add_numbers",
    "ENVIRONMENT": "reveweb.admin.site.environment",
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "reveweb.admin.site.navigation"},
    "COMMAND": {"search_callback": "reveweb.admin.site.search"},
    "COLORS": {
        "base": {  # the site's warm greys
            "50": "oklch(98.1% .006 84)",
            "100": "oklch(95.3% .009 82)",
            "200": "oklch(89.5% .011 80)",
            "300": "oklch(83% .012 78)",
            "400": "oklch(68% .013 76)",
            "500": "oklch(54% .013 72)",
            "600": "oklch(44% .013 66)",
            "700": "oklch(36% .012 64)",
            "800": "oklch(27.5% .01 66)",
            "900": "oklch(20% .008 68)",
            "950": "oklch(15% .007 68)",
        },
        "primary": {  # the site's accent, by lightness
            "50": f"oklch(97% .012 {ACCENT_HUE})",
            "100": f"oklch(94.5% .024 {ACCENT_HUE})",
            "200": f"oklch(88% .05 {ACCENT_HUE})",
            "300": f"oklch(80% .09 {ACCENT_HUE})",
            "400": f"oklch(72% .13 {ACCENT_HUE})",
            "500": f"oklch(60% .19 {ACCENT_HUE})",
            "600": f"oklch(47% .22 {ACCENT_HUE})",
            "700": f"oklch(40% .2 {ACCENT_HUE})",
            "800": f"oklch(34% .16 {ACCENT_HUE})",
            "900": f"oklch(28% .12 {ACCENT_HUE})",
            "950": f"oklch(22% .08 {ACCENT_HUE})",
        },
    },
}

# --- The rest --------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in ("reveweb", "accounts", "billing", "generator")},
        "django.request": {"level": "ERROR"},  # what a client did wrong is the client's news
    },
}
