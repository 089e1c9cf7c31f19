"""People: how they sign up, log in and are written to."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from reveweb.settings import links
from reveweb.settings.env import env, mailbox
from reveweb.settings.where import PRODUCTION, SANDBOX, SECURE, SITE_NAME, VAR_DIR

GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET = env.key("GOOGLE_CLIENT_ID"), env.key("GOOGLE_CLIENT_SECRET")
GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET = env.key("GITHUB_CLIENT_ID"), env.key("GITHUB_CLIENT_SECRET")
env.both("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET")
env.both("GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET")
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {}
if GOOGLE_CLIENT_ID:
    SOCIALACCOUNT_PROVIDERS["google"] = {
        "APPS": [{"client_id": GOOGLE_CLIENT_ID, "secret": GOOGLE_CLIENT_SECRET}],
        "SCOPE": ["profile", "email"],
        "OAUTH_PKCE_ENABLED": True,
    }
if GITHUB_CLIENT_ID:
    SOCIALACCOUNT_PROVIDERS["github"] = {
        "APPS": [{"client_id": GITHUB_CLIENT_ID, "secret": GITHUB_CLIENT_SECRET}],
        "SCOPE": ["user:email"],
    }
SOCIAL_PROVIDERS = [f"allauth.socialaccount.providers.{name}" for name in SOCIALACCOUNT_PROVIDERS]

SESSION_ENGINE = "reveweb.login.strangers"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["reveweb.login.backends.AuthenticationBackend"]
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
ACCOUNT_ADAPTER = "reveweb.login.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "add_email": "reveweb.personal.forms.ChangeEmailForm",
    "reset_password": "reveweb.personal.forms.ResetPasswordForm",
    "reset_password_from_key": "reveweb.personal.forms.ResetPasswordKeyForm",
    "signup": "reveweb.personal.forms.SignupForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.choice(
    "EMAIL_VERIFICATION", "none" if SANDBOX else "mandatory", ("none", "optional", "mandatory")
)
WELCOME_AFTER_CONFIRMING = env.flag("WELCOME_AFTER_CONFIRMING", False)
if WELCOME_AFTER_CONFIRMING and ACCOUNT_EMAIL_VERIFICATION == "none":
    raise ImproperlyConfigured(
        "WELCOME_AFTER_CONFIRMING=1 needs EMAIL_VERIFICATION=optional or mandatory: with none nobody is mailed a link."
    )
DISPOSABLE_DOMAINS = frozenset(env.domains("DISPOSABLE_DOMAINS"))  # beside those of the list that is kept
PERMANENT_DOMAINS = frozenset(env.domains("PERMANENT_DOMAINS"))  # whatever that says
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_CHANGE_EMAIL = True  # one address, which the next replaces once it is confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail about each change of what opens the account
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_CONFIRMATION_AUTHENTICATED_REDIRECT_URL = "/account/"
ACCOUNT_LOGOUT_ON_GET = False
# How often: of a network (IPv6: a /64), by somebody who is logged in, or for what `reveweb.login.limits` counts.
ACCOUNT_RATE_LIMITS = {
    "signup": "20/m/ip,300/d/ip",
    "login": "120/m/ip",
    "login_failed": "5/300s/key,30/d/key",  # an account from one network, or from a browser that it knows
    "login_failed_network": "60/m/ip,1000/d/ip",
    "login_failed_anywhere": "300/d/key",  # an account: it takes ten networks to spend
    "session": "120/m/ip,2000/d/ip",  # strangers' sessions that begin
    "change_password": "5/m/user,50/d/user",
    "manage_email": "10/m/user,50/d/user",
    "reauthenticate": "10/m/user,100/d/user",
    "export": "20/d/user",
    "redeem": "10/m/user,50/d/user,60/m/ip,1000/d/ip",  # codes that there are not
    "reset_password": "20/m/ip,200/d/ip",
    # Mails to a mailbox: those that one network or known browser causes, and those from anywhere.
    "reset_mail": "3/10m/key,10/d/key",
    "reset_mail_anywhere": "30/d/key",
    "confirm_mail": "3/10m/key,10/d/key",
    "confirm_mail_anywhere": "30/d/key",
    "change_mail": "3/10m/key,10/d/key",
    "change_mail_anywhere": "15/d/key",
    "exists_mail": "1/10m/key,3/d/key",
    "exists_mail_anywhere": "10/d/key",
    "confirm_email": "",  # allauth's own limit is for an address alone, so that strangers could spend it
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TRUST_ENABLED = True  # a browser can be spared the second step for 14 days, or until what opens the account changes
MFA_TOTP_ISSUER = SITE_NAME
MFA_TOTP_TOLERANCE = 1  # clocks of phones may be half a minute off
# Unless it is mandatory to confirm an address before the first login, somebody else's could be locked in behind a code.
MFA_ALLOW_UNVERIFIED_EMAIL = SANDBOX or ACCOUNT_EMAIL_VERIFICATION == "mandatory"
MFA_ADAPTER = "reveweb.login.adapters.MfaAdapter"
MFA_FORMS = {
    "activate_totp": "reveweb.login.codes.ActivateForm",
    "authenticate": "reveweb.login.codes.AuthenticateForm",
    "reauthenticate": "reveweb.login.codes.ReauthenticateForm",
    "add_webauthn": "reveweb.login.passkeys.AddForm",
    "authenticate_webauthn": "reveweb.login.passkeys.AuthenticateForm",
    "login_webauthn": "reveweb.login.passkeys.LoginForm",
    "reauthenticate_webauthn": "reveweb.login.passkeys.ReauthenticateForm",
}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = SANDBOX  # passkeys on http://localhost
SOCIALACCOUNT_ADAPTER = "reveweb.login.adapters.SocialAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # a provider's word for an address does not open an account that has it
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "create"
LOGOUT_REDIRECT_URL = "home"

DEFAULT_FROM_EMAIL = env.mailbox("DEFAULT_FROM_EMAIL", mailbox(SITE_NAME, "noreply@localhost"), with_name=True)
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_URL = env.text("EMAIL_URL")
if PRODUCTION and not EMAIL_URL:
    raise ImproperlyConfigured(
        "EMAIL_URL is not set. Production (REVE_API_KEY set, DEBUG off) sends mails: set it as in "
        "smtp+tls://user:password@host:587, or to folder:// to have them as files in var/mail that nobody gets."
    )
vars().update(links.mail("EMAIL_URL", EMAIL_URL or "folder://"))
LOCAL_MAIL_DIR = VAR_DIR / "mail"
# Whoever reaches the site can read every mail there, links that open accounts included: never where people are.
# Whoever reaches the site can read it: never where it stands in public.
LOCAL_INBOX = not EMAIL_URL and SANDBOX and not SECURE
