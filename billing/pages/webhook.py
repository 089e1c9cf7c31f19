"""The webhook for Stripe's events: verify, store, answer; a worker does the rest."""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing import gateway
from billing.stripe import heard, inbox

log = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """`POST /stripe/webhook/`: 200 once the event is stored, 400 for anything Stripe did not sign."""
    try:
        event = gateway.verify_webhook(request.body, request.headers.get("Stripe-Signature", ""))
    except gateway.BadSignature as error:
        log.warning("A webhook was refused: %s", error)
        heard.refused(request.headers.get("Stripe-Signature", ""))
        return JsonResponse(
            {"error": {"code": "bad_signature", "message": "The signature is not Stripe's."}}, status=400
        )
    inbox.store(event)
    heard.accepted()
    return JsonResponse({"received": True})
