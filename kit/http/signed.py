"""A stored file that the storage itself sends: the answer is a redirect to its address there, signed and short-lived.

So none of its bytes pass through this process. Whoever may have the file is decided before; from then on the address is
all it takes, and it names the file: never for a file whose name in storage is to stay unknown, as a shared image's.

Whether the file is there is not asked, which would cost a request to the storage each time: of one that is gone the
storage says so itself, with 404, or 403 for a key that may not list the bucket.
"""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

MINUTE = 60  # seconds that an address is good for: for what is fetched at once
HOUR = 3600  # and for what a page shows again and again, so that browsers keep it that long
# Keys that the AWS client found itself may be those of a role. They are renewed ten minutes before they end, and what
# they signed ends with them.
OF_A_ROLE = 600


def stands_in(request: HttpRequest) -> bool:
    """Tell whether a redirect to the storage does for `request`.

    Not for a script that reads the bytes, as it would need the bucket's permission; and HEAD costs no bytes, but would
    need a signature of its own.
    """
    headers = request.headers
    reads = "Origin" in headers or headers.get("Sec-Fetch-Mode") == "cors"
    return settings.S3_REDIRECT and request.method == "GET" and not reads


def redirect(
    storage: Storage, path: str, *, content_type: str, seconds: int, cache_control: str, disposition: str = ""
) -> HttpResponse:
    """Answer with the address of a stored file, good for `seconds`, half of which a browser may keep it.

    The storage sends the file with these headers. Blocks while credentials are looked up.
    """
    found: Any = storage  # Storage.url takes no more than a name
    if found.access_key is None:
        seconds = min(seconds, OF_A_ROLE)
    parameters = {"ResponseContentType": content_type, "ResponseCacheControl": cache_control}
    if disposition:
        parameters["ResponseContentDisposition"] = disposition
    # Not an HttpResponseRedirect, for which a long name and the token of a role can be too long.
    response = HttpResponse(status=302)
    response["Location"] = found.url(path, parameters=parameters, expire=seconds)
    response["Cache-Control"] = f"private, max-age={seconds // 2}"
    patch_vary_headers(response, ("Origin", "Sec-Fetch-Mode"))
    return response


@cache
def origin() -> str:
    """Return scheme and host of the addresses that files are sent from, which pages must allow; "" for this site.

    As the storage itself makes them, by its endpoint, region and bucket; without a signature, so without credentials.
    """
    if not settings.S3_REDIRECT:
        return ""
    images = settings.STORAGES["default"]
    unsigned = storages.create_storage({**images, "OPTIONS": {**images["OPTIONS"], "querystring_auth": False}})
    address = urlsplit(unsigned.url("file"))
    return f"{address.scheme}://{address.netloc}"
