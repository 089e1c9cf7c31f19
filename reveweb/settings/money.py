"""Money: Stripe, credits, and how much one may ask for."""

from django.core.exceptions import ImproperlyConfigured

from reveweb.run import embedded
from reveweb.settings.env import env
from reveweb.settings.where import PRODUCTION, VAR_DIR

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
        "STRIPE_WEBHOOK_SECRET is not set; with STRIPE_SECRET_KEY it is needed to learn of payments."
    )
STRIPE_TAX = env.bool("STRIPE_TAX", False)
STRIPE_PROMOTION_CODES = env.bool("STRIPE_PROMOTION_CODES", True)

RATE_LIMIT_PER_MINUTE = env.int("RATE_LIMIT_PER_MINUTE", 10)
STATUS_RATE_LIMIT_PER_MINUTE = env.int("STATUS_RATE_LIMIT_PER_MINUTE", 600)
WELCOME_CREDITS = env.int("WELCOME_CREDITS", 3)
LOW_BALANCE_CREDITS = env.int("LOW_BALANCE_CREDITS", 5)
SUPPORT_GRANT_LIMIT = env.int("SUPPORT_GRANT_LIMIT", 20)
