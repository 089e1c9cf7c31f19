"""What an asynchronous server sends of an answer that comes in pieces."""

from collections.abc import AsyncIterator

from django.http import HttpResponseBase, StreamingHttpResponse


def pieces_of(response: HttpResponseBase) -> AsyncIterator[bytes]:
    """Return the pieces; fails for an answer that would hold up a server's loop while it is read."""
    assert isinstance(response, StreamingHttpResponse)
    assert response.is_async
    pieces = response.streaming_content
    assert isinstance(pieces, AsyncIterator)
    return pieces
