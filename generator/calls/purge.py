"""What leaves the request log: calls that are too old, and those of somebody who closes the account."""

import time
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from billing.models import Wallet
from generator.calls import subjects
from generator.models import ApiCall, Generation
from kit.pages import BREATH_SECONDS, delete_by_pages

AT_ONCE = 2_000  # rows in a transaction


def old() -> int:
    """Delete the calls that are older than the log goes back, and return how many there were.

    Rows are written about in the order of time, so the oldest have the smallest ids: no index is kept for this. A call
    is written within a minute or so of when it came; an hour more is left to it.
    """
    ends = timezone.now() - timedelta(days=settings.REQUEST_LOG_DAYS)
    deleted, last = 0, 0
    while page := list(ApiCall.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "created_at")[:AT_ONCE]):
        gone = [pk for pk, at in page if at < ends]
        if gone:
            deleted += _delete(ApiCall.objects.filter(pk__in=gone))
        last = page[-1][0]
        if all(at > ends + timedelta(hours=1) for _, at in page):
            break
        time.sleep(BREATH_SECONDS)
    return deleted


def of_account(wallet: Wallet) -> int:
    """Delete all calls of an account, and return how many there were."""
    return delete_by_pages(ApiCall.objects.filter(wallet=wallet), AT_ONCE)


def words_about(generation: Generation) -> None:
    """Forget what was said of an image in the bodies of the calls about it, whenever they came."""
    calls = ApiCall.objects.filter(subjects.about(generation))
    calls.update(request_body="", answer_body="", is_whole=False)


def _delete(rows: QuerySet[ApiCall]) -> int:
    return rows._raw_delete(rows.db)  # nothing refers to a call, and nobody hears of one that goes
