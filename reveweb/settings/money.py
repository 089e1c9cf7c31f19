"""Money: Stripe, credits, and how much one may ask for."""

from django.core.exceptions import ImproperlyConfigured

from reveweb.run import embedded
from reveweb.settings.env import env
from reveweb.settings.where import PRODUCTION, VAR_DIR

STRIPE_SECRET_KEY = env.text("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET")
STRIPE_API_BASE = env.address("STRIPE_API_BASE") or "https://api.stripe.com"
# Without a key payments are simulated, and in production, where that would give credits away, there are none.
PAYMENTS = bool(STRIPE_SECRET_KEY) or not PRODUCTION
EMBEDDED_STRIPE = PAYMENTS and not STRIPE_SECRET_KEY
if EMBEDDED_STRIPE:
    STRIPE_SECRET_KEY = "sk_test_sandbox"  # noqa: S105 (opens nothing but the stand-in)
    STRIPE_WEBHOOK_SECRET = STRIPE_WEBHOOK_SECRET or "whsec_" + embedded.secret("stripe-webhook-secret", VAR_DIR)
    STRIPE_API_BASE = env.address("STRIPE_API_BASE") or (f"http://127.0.0.1:{embedded.port('sandbox', VAR_DIR)}")
elif STRIPE_SECRET_KEY and not STRIPE_WEBHOOK_SECRET:
    raise ImproperlyConfigured(
        "STRIPE_WEBHOOK_SECRET is not set; with STRIPE_SECRET_KEY it is needed to learn of payments."
    )
STRIPE_TAX = env.flag("STRIPE_TAX", False)
STRIPE_PROMOTION_CODES = env.flag("STRIPE_PROMOTION_CODES", True)

RATE_LIMIT_PER_MINUTE = env.whole("RATE_LIMIT_PER_MINUTE", 10)
STATUS_RATE_LIMIT_PER_MINUTE = env.whole("STATUS_RATE_LIMIT_PER_MINUTE", 600)
WELCOME_CREDITS = env.whole("WELCOME_CREDITS", 3)
LOW_BALANCE_CREDITS = env.whole("LOW_BALANCE_CREDITS", 5)
SUPPORT_GRANT_LIMIT = env.whole("SUPPORT_GRANT_LIMIT", 20)
SUPPORT_GRANT_DAILY_LIMIT = env.whole("SUPPORT_GRANT_DAILY_LIMIT", 100)
