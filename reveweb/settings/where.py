"""Where it runs: addresses, secrets, and whether this is production."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from reveweb.run import embedded
from reveweb.settings.env import BASE_DIR, env

DEBUG = env.flag("DEBUG", False)
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var"))).resolve()
if BASE_DIR.is_relative_to(VAR_DIR) or (VAR_DIR.exists() and not VAR_DIR.is_dir()):
    raise env.refused("VAR_DIR", str(VAR_DIR), "a folder of its own")
embedded.keep_private(VAR_DIR)
HOST = env.host("HOST", "127.0.0.1")
PORT = env.whole("PORT", 8000, least=1, most=65_535)
WEB_WORKERS = env.whole("WEB_WORKERS", 1, least=1, most=256)
DRAIN_SECONDS = env.number("DRAIN_SECONDS", 3.0, most=3600)
REQUEST_SECONDS = env.whole("REQUEST_SECONDS", 20, least=1, most=60)  # granian waits for headers no longer than that
PUBLIC_URL = env.address("PUBLIC_URL", path=False).lower()

REVE_API_KEY = env.key("REVE_API_KEY")
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

if PRODUCTION and not PUBLIC_URL:
    raise ImproperlyConfigured(
        "PUBLIC_URL is not set. Production (REVE_API_KEY set, DEBUG off) needs the address at which people reach the "
        "site, as in https://images.example.com: links in mails and image URLs begin with it."
    )

# Earlier ones, that what they signed still counts for a while: sessions, links in mails, signed addresses.
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")
if not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    if PUBLIC_URL:
        ALLOWED_HOSTS.append(re.sub(r":[0-9]+$", "", urlsplit(PUBLIC_URL).netloc))
    elif not PRODUCTION:
        ALLOWED_HOSTS.append("*")
MCP_ALLOWED_ORIGINS = env.names("MCP_ALLOWED_ORIGINS")  # pages of others that may call `/mcp` from a browser
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# How many proxies stand in front, or in which networks they are: whose X-Forwarded-For and -Proto are believed.
TRUSTED_PROXIES = env.proxies("TRUSTED_PROXIES", 1 if env.flag("BEHIND_PROXY", False) else 0)

SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = env.whole("HSTS_SECONDS", 31_536_000 if SECURE else 0, most=315_360_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS", False)  # other hosts are not ours to bind
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", False)
if SECURE_HSTS_PRELOAD and not (SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_SECONDS >= 31_536_000):
    raise ImproperlyConfigured(
        "HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=1 and HSTS_SECONDS of a year or more: browsers' lists take no less."
    )
# Django's own check would ask for both; other hosts are their owners' to decide about.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_SSL_REDIRECT = env.flag("SSL_REDIRECT", False)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

SITE_NAME = env.text("SITE_NAME", "reveweb")
