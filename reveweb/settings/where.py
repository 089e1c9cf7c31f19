"""Where it runs: addresses, secrets, and whether this is production."""

from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from reveweb.run import embedded
from reveweb.settings.env import BASE_DIR, env

DEBUG = env.flag("DEBUG", False)
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var"))).resolve()
HOST = env.text("HOST", "127.0.0.1")
PORT = env.whole("PORT", 8000, least=1, most=65_535)
WEB_WORKERS = env.whole("WEB_WORKERS", 1, least=1)
DRAIN_SECONDS = env.number("DRAIN_SECONDS", 3.0)
REQUEST_SECONDS = env.whole("REQUEST_SECONDS", 20, least=1, most=60)  # granian waits for headers no longer than that
PUBLIC_URL = env.address("PUBLIC_URL")

REVE_API_KEY = env.text("REVE_API_KEY")
SANDBOX = not REVE_API_KEY
PRODUCTION = not DEBUG and not SANDBOX

SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    if PRODUCTION:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Production (REVE_API_KEY set, DEBUG off) needs its own secret of 50 or more "
            "random characters: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    SECRET_KEY = embedded.secret("secret-key", VAR_DIR)
elif PRODUCTION and (len(SECRET_KEY) < 32 or SECRET_KEY.startswith(("change", "django-insecure"))):
    raise ImproperlyConfigured("SECRET_KEY is a placeholder or shorter than 32 characters: set a random one.")

# Earlier ones, that what they signed still counts for a while: sessions, links in mails, signed addresses.
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = env.names("ALLOWED_HOSTS")
if not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    if PUBLIC_URL:
        ALLOWED_HOSTS.append(urlsplit(PUBLIC_URL).hostname or "")
    elif not PRODUCTION:
        ALLOWED_HOSTS.append("*")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# Set when a proxy in front terminates TLS and always sets X-Forwarded-Proto.
if env.flag("BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    TRUST_FORWARDED_FOR = True
else:
    TRUST_FORWARDED_FOR = False

SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = env.whole("HSTS_SECONDS", 31_536_000 if SECURE else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_SSL_REDIRECT = env.flag("SSL_REDIRECT", False)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

SITE_NAME = env.text("SITE_NAME", "reveweb")
