"""The endpoints that mint tokens for browsers, and delete them."""

from functools import partial

from django.http import HttpResponse
from ninja import P, PathEx, Router

from accounts import tokens
from accounts.errors import TokenNotFound
from generator.api.account import moment
from generator.api.account_schemas import BrowserToken, DeletedToken, TokenRequest
from generator.api.calling import ApiRequest, answer, auth
from generator.ask import limits
from kit.threads import in_thread

router = Router(tags=["Browser tokens"])


@router.post(
    "/tokens", auth=auth, response={200: BrowserToken}, summary="Make a browser token", operation_id="create_token"
)
@router.post("/tokens/", auth=auth, include_in_schema=False)
async def create_token(request: ApiRequest, body: TokenRequest) -> HttpResponse:
    """Make a token that pages of one site may use instead of the key, for minutes and few credits. Told once."""
    request.caller.require_key()
    api_key = request.caller.api_key
    await limits.take_tokens_soon(api_key)
    minting = partial(tokens.mint, api_key, origin=body.origin, seconds=body.expires_in, credit_cap=body.credit_cap)
    token, secret = await in_thread(minting)
    return answer(
        {
            "id": token.prefix,
            "token": secret,
            "origin": token.origin,
            "credit_cap": token.credit_cap,
            "expires_at": moment(token.expires_at),
        }
    )


_TokenId = PathEx[str, P(description="The token's visible beginning.")]


@router.delete(
    "/tokens/{token_id}",
    auth=auth,
    response={200: DeletedToken},
    summary="Delete a browser token",
    operation_id="delete_token",
)
@router.delete("/tokens/{token_id}/", auth=auth, include_in_schema=False)
async def delete_token(request: ApiRequest, token_id: _TokenId) -> HttpResponse:
    """Stop a browser token of this key. Images that it asked for are finished."""
    request.caller.require_key()
    await limits.take_status_soon(request.caller)
    if not await in_thread(partial(tokens.revoke, request.caller.api_key, token_id)):
        raise TokenNotFound
    return answer({"id": token_id, "deleted": True})
