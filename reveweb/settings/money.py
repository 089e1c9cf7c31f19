"""Money: Stripe, credits, and how much one may ask for."""

from django.core.exceptions import ImproperlyConfigured

from reveweb.run import embedded
from reveweb.settings.env import env
from reveweb.settings.where import PRODUCTION, VAR_DIR

STRIPE_SECRET_KEY = env.key("STRIPE_SECRET_KEY", ["sk_", "rk_"])
# While one takes the place of another, Stripe signs with either or both: any of these will do.
STRIPE_WEBHOOK_SECRETS = env.keys("STRIPE_WEBHOOK_SECRET", ["whsec_"])
STRIPE = "https://api.stripe.com"
STRIPE_API_BASE = env.address("STRIPE_API_BASE") or STRIPE
# Without a key payments are simulated, and in production, where that would give credits away, there are none.
PAYMENTS = bool(STRIPE_SECRET_KEY) or not PRODUCTION
EMBEDDED_STRIPE = PAYMENTS and not STRIPE_SECRET_KEY
if EMBEDDED_STRIPE:
    STRIPE_SECRET_KEY = "sk_test_sandbox"  # noqa: S105 (opens nothing but the stand-in)
    STRIPE_WEBHOOK_SECRETS = STRIPE_WEBHOOK_SECRETS or ("whsec_" + embedded.secret("stripe-webhook-secret", VAR_DIR),)
    STRIPE_API_BASE = env.address("STRIPE_API_BASE") or (f"http://127.0.0.1:{embedded.port('sandbox', VAR_DIR)}")
elif STRIPE_SECRET_KEY and not STRIPE_WEBHOOK_SECRETS:
    raise ImproperlyConfigured(
        "STRIPE_WEBHOOK_SECRET is not set; with STRIPE_SECRET_KEY it is needed to learn of payments."
    )
elif STRIPE_WEBHOOK_SECRETS and not STRIPE_SECRET_KEY:
    raise ImproperlyConfigured("STRIPE_SECRET_KEY is not set; STRIPE_WEBHOOK_SECRET needs it.")
STRIPE_WEBHOOK_SECRET = next(iter(STRIPE_WEBHOOK_SECRETS), "")  # the newest
STRIPE_TAX = env.flag("STRIPE_TAX", False)
STRIPE_PROMOTION_CODES = env.flag("STRIPE_PROMOTION_CODES", True)

_MOST = 10_000_000  # what a misplaced digit would exceed
RATE_LIMIT_PER_MINUTE = env.whole("RATE_LIMIT_PER_MINUTE", 10, least=1, most=_MOST)
UPLOAD_RATE_LIMIT_PER_MINUTE = env.whole("UPLOAD_RATE_LIMIT_PER_MINUTE", 120, least=1, most=_MOST)
STATUS_RATE_LIMIT_PER_MINUTE = env.whole("STATUS_RATE_LIMIT_PER_MINUTE", 600, least=1, most=_MOST)
MCP_SESSION_CREDITS = env.whole("MCP_SESSION_CREDITS", 20, most=_MOST)  # 0: as much as the key may
WELCOME_CREDITS = env.whole("WELCOME_CREDITS", 3, most=_MOST)
WELCOME_PER_NETWORK_PER_DAY = env.whole("WELCOME_PER_NETWORK_PER_DAY", 5, most=_MOST)  # 0: as many as there are
LOW_BALANCE_CREDITS = env.whole("LOW_BALANCE_CREDITS", 5, most=_MOST)
SUPPORT_GRANT_LIMIT = env.whole("SUPPORT_GRANT_LIMIT", 20, most=_MOST)
SUPPORT_GRANT_DAILY_LIMIT = env.whole("SUPPORT_GRANT_DAILY_LIMIT", 100, most=_MOST)
