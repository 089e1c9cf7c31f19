"""A press of Generate, wherever it was made: admitted, or refused in words that stand in its form."""

from asgiref.sync import async_to_sync

from billing.models import Wallet
from generator.ask import admission, inputs
from generator.ask.admission import Admission
from generator.ask.forms import COUNTS, GenerateForm
from generator.errors import GeneratorError
from generator.pages.refusals import Refusal, refusal_of
from kit.storage import StorageAway
from kit.threads import let_go


def press(wallet: Wallet, form: GenerateForm) -> Admission | Refusal:
    """Have drawn what `form` asks for, once under its nonce. Why it is refused is said among the form's errors."""
    if not form.is_valid():
        return Refusal(422, "")
    try:
        if given := form.given:
            let_go()  # files are stored meanwhile
        pictures = async_to_sync(inputs.resolve)(wallet, given) if given else []
        form.pictures = pictures  # what came as files is there now, under ids, whatever is refused after this
        return admission.admit(wallet=wallet, request=form.wanted(pictures), idempotency_key=form.idempotency_key)
    except GeneratorError as error:
        refusal = refusal_of(error, form.cleaned_data["count"] or COUNTS[0])
    except StorageAway:
        refusal = Refusal(503, "Pictures can't be kept for the moment. Nothing was charged; try again shortly.", 5)
    form.add_error(None, refusal.words)
    return refusal
