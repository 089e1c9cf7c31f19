"""A press of Generate, wherever it was made: admitted, or refused in words that stand in its form."""

from billing.models import Wallet
from generator.ask import admission
from generator.ask.admission import Admission
from generator.ask.forms import GenerateForm
from generator.errors import GeneratorError
from generator.pages.refusals import Refusal, refusal_of


def press(wallet: Wallet, form: GenerateForm) -> Admission | Refusal:
    """Have drawn what `form` asks for, once under its nonce. Why it is refused is said among the form's errors."""
    if not form.is_valid():
        return Refusal(422, "")
    try:
        return admission.admit(wallet=wallet, request=form.wanted, idempotency_key=form.idempotency_key)
    except GeneratorError as error:
        refusal = refusal_of(error, form.wanted.count)
        form.add_error(None, refusal.words)
        return refusal
