"""The one door for API and studio alike: replay → price → limit → hold it → create the rows → hand them to a worker."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiKey, BrowserToken
from billing import ledger
from billing.errors import InsufficientCredits
from billing.models import Wallet
from generator.ask import forced, limits, one_statement, prices, rules
from generator.ask.callers import Caller
from generator.ask.prices import Quote
from generator.errors import (
    IdempotencyConflict,
    ImageDeleted,
    InputGone,
    IntakePaused,
    InvalidRequest,
    KeyLimitReached,
    LimiterUnavailable,
    OutOfCredits,
    PromptNotAllowed,
    RateLimit,
    RateLimited,
    TooManyAtOnce,
    UpstreamPaused,
)
from generator.jobs import caps, outcomes
from generator.models import (
    DEFAULT_MODEL,
    REMIX_MOST_INPUTS,
    Generation,
    Group,
    ImageModel,
    Input,
    Operation,
    Upload,
    new_public_id,
)
from generator.upstreams import routing
from kit import wakeups
from kit.metrics import Counter
from kit.text import folded
from kit.threads import in_thread

ADMITTED = Counter("reveweb_images_admitted_total", "Images that were taken on.", "source")
MOMENT = 0.25  # seconds
SEEDS = 2**32  # how many there are, from 0 on; of several images each has the next one
SAMPLES_IN_FLIGHT = 100  # unfinished images of an account's test keys, about: nobody is locked out to count them
# How many pictures are asked for with, at least and at most, and the field that names them.
_PICTURES = {
    Operation.CREATE: (0, 0, "image"),
    Operation.EDIT: (1, 1, "image"),
    Operation.REMIX: (1, REMIX_MOST_INPUTS, "images"),
}


@dataclass(frozen=True)
class ImageRequest:
    """What somebody asks for, validated: `count` images at once, each a generation with a price of its own.

    `wait` tells a synchronous API call from an asynchronous one, by its body; `is_awaited` whether somebody waits for
    it, where a header says otherwise, which is not part of what is asked for. No `model` stands for the first on offer,
    size and quality "" for what it takes unasked. `inputs` and `mask` are the account's own.
    """

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    wait: bool = False
    count: int = 1
    operation: Operation = Operation.CREATE
    model: ImageModel | None = None
    size: str = ""
    quality: str = ""
    inputs: tuple[Generation | Upload, ...] = ()
    mask: Upload | None = None
    seed: int | None = None
    deadline_seconds: int | None = None
    webhook_url: str = ""
    is_awaited: bool | None = None

    @property
    def digest(self) -> str:
        """A fingerprint: two requests with the same one ask for the same.

        What could be asked for before there were models, sizes and inputs has the one that it had then.
        """
        parts: list[object] = [self.prompt, self.negative_prompt, self.aspect_ratio, self.wait]
        if self.count > 1:  # for one image it is what it was before there could be several
            parts.append(self.count)
        more = {
            "operation": self.operation.value if self.operation != Operation.CREATE else "",
            "model": self.model.slug if self.model is not None and self.model.slug != DEFAULT_MODEL else "",
            "size": self.size,
            "quality": self.quality,
            "inputs": [_named(one) for one in self.inputs],
            "mask": _named(self.mask) if self.mask else "",
            "seed": "" if self.seed is None else str(self.seed),
            "deadline_seconds": self.deadline_seconds or "",
            "webhook_url": self.webhook_url,
        }
        if named := {name: value for name, value in more.items() if value}:
            parts.append(named)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _named(picture: Generation | Upload) -> str:
    """Return what tells a picture from others: an upload's bytes do, under whatever id they came again."""
    return picture.sha256 if isinstance(picture, Upload) else picture.public_id


@dataclass(frozen=True)
class Admission:
    """The result of a request: its generations, what they were charged and what is left. `rate`: None for a replay.

    `price` is what a live key would have been charged, where a test key asked.
    """

    generations: tuple[Generation, ...]
    credits_charged: int
    credits_remaining: int
    rate: RateLimit | None
    replayed: bool = False
    price: int | None = None

    @property
    def generation(self) -> Generation:
        """The first one; most requests have no other."""
        return self.generations[0]


@dataclass(frozen=True)
class Taken:
    """What an attempt has taken of a rate limit, for the next one to go on with."""

    window: limits.Window
    rate: RateLimit


def admit(
    *,
    wallet: Wallet,
    request: ImageRequest,
    api_key: ApiKey | None = None,
    token: BrowserToken | None = None,
    idempotency_key: str | None = None,
    taken: Taken | None = None,
) -> Admission:
    """Turn a request into queued generations with their credits held, or return those that it became before.

    All of them or none. What a test key asks for costs nothing, and is held up by no credits, caps or upstreams. Raises
    what `forced` does, IdempotencyConflict, InvalidRequest, IntakePaused, UpstreamPaused, RateLimited,
    LimiterUnavailable, TooManyAtOnce, KeyLimitReached, OutOfCredits; nothing is charged then.
    """
    is_test = api_key is not None and api_key.is_test
    idempotency_key = stored_key(idempotency_key, api_key, token)
    if idempotency_key and (earlier := _replay(wallet, request, idempotency_key)):
        return earlier
    try:
        quote = prices.quote(request, only=api_key.image_models if api_key else ())
    except PromptNotAllowed as error:
        rules.note(error.rule)
        if token is None:  # it takes its place in the limit: nobody is to try out the rules for nothing
            _within(_rate(limits.generate_window(wallet, api_key), request, taken))
        raise
    if not is_test and not routing.is_open(quote.model, request.operation):
        raise UpstreamPaused
    window = limits.generate_window(wallet, api_key)
    check_count(wallet, api_key, request)
    if token is not None and not is_test and (spent := caps.of_token(token)).lacks(quote.credits * request.count):
        # Refused before it is counted: a token that has nothing left must not keep others of its account out.
        if idempotency_key and (earlier := _replay(wallet, request, idempotency_key)):
            return earlier
        raise _capped(wallet, spent, limits.peek(window))
    rate = _rate(window, request, taken)
    if isinstance(rate, RateLimited):
        if idempotency_key and (earlier := _replay_in_turn(wallet, request, idempotency_key)):
            return earlier
        raise rate
    if is_test:
        forced.refuse(request.prompt, forced.Door(wallet, quote, rate), with_pictures=bool(request.inputs))
    try:
        generations, balance = _create(wallet, request, quote, api_key, idempotency_key, token)
    except (_Full, _Capped, InputGone, InsufficientCredits, IntegrityError) as error:
        if token is not None:  # what a stranger is refused takes nothing of the account's minute
            limits.give_back(window, request.count)
        # The same key came twice at the same moment; the other request won, and perhaps took the last credit or place.
        if idempotency_key and (earlier := _replay(wallet, request, idempotency_key)):
            return earlier
        if isinstance(error, _Full):
            raise TooManyAtOnce(most=error.most, rate=rate, balance=ledger.write_off_expired(wallet)) from error
        if isinstance(error, _Capped):
            raise _capped(wallet, error.cap, rate) from error
        if isinstance(error, InsufficientCredits):
            raise OutOfCredits(balance=error.balance, needed=error.needed, rate=rate) from error
        raise
    ADMITTED.add(len(generations), source="test" if is_test else "studio" if api_key is None else "api")
    price = quote.credits * request.count if is_test else None
    return Admission(generations, _total(generations), balance, rate, price=price)


async def admit_soon(
    *,
    caller: Caller,
    look_up: Callable[[], Caller],
    request: ImageRequest,
    idempotency_key: str | None,
    deleted_too: bool = False,
) -> Admission:
    """Do as `admit` for a caller of the API, on an event loop: in one statement where that can be, or else in a thread.

    `caller` may be as it was a moment ago; `look_up` tells how it is, and is called before anything is refused. Whoever
    does not see all of the account's images is not shown one of them for its Idempotency-Key: that one is taken. A
    replay counts as a status look-up. Raises ImageDeleted for a replay one of whose images was deleted, unless its
    caller can tell of those as well (`deleted_too`).
    """
    try:
        admitted = await _admit_soon(caller, look_up, request, idempotency_key)
    except IdempotencyConflict as error:
        public_id = error.public_id
        if await in_thread(lambda: look_up().may_see(public_id)):
            raise
        raise IdempotencyConflict from error
    if admitted.replayed and not await in_thread(lambda: look_up().may_see(admitted.generation.public_id)):
        raise IdempotencyConflict
    if admitted.replayed:  # which costs no credits, and is work all the same where images are read or converted
        await limits.take_status_soon(caller)
        if not deleted_too and any(one.was_deleted for one in admitted.generations):
            raise ImageDeleted(admitted.generation.public_id)
    if caller.token is not None:
        return replace(admitted, credits_remaining=await in_thread(caller.left))
    return admitted


async def _admit_soon(
    caller: Caller, look_up: Callable[[], Caller], request: ImageRequest, idempotency_key: str | None
) -> Admission:
    taken = None
    if request.count == 1 and not request.inputs and request.mask is None and one_statement.fits(caller):
        window = limits.generate_window(caller.wallet, caller.api_key)
        try:
            if idempotency_key is None or not await one_statement.is_known(caller.wallet.pk, idempotency_key):
                quote = await prices.quote_soon(request, only=caller.api_key.image_models)
                taken = Taken(window, await limits.take_soon(window))
                if admitted := await _admit_at_once(caller, request, quote, idempotency_key, taken.rate):
                    return admitted
        except (RateLimited, InvalidRequest, IntakePaused, UpstreamPaused):
            pass  # unless the limit is another one by now, and whoever calls as well
        except LimiterUnavailable:
            await in_thread(look_up)
            raise

    def plainly() -> Admission:
        known = look_up()
        return admit(
            wallet=known.wallet,
            api_key=known.api_key,
            token=known.token,
            request=request,
            idempotency_key=idempotency_key,
            taken=taken,
        )

    try:
        return await in_thread(plainly)
    except RateLimited:
        if idempotency_key is None:
            raise
        # The same request, sent twice at once, may just be on its way through the door.
        await asyncio.sleep(MOMENT)
        stored = stored_key(idempotency_key, caller.api_key, caller.token) or ""
        earlier = await in_thread(lambda: _replay(caller.wallet, request, stored))
        if earlier is None:
            raise
        return earlier


async def _admit_at_once(
    caller: Caller, request: ImageRequest, quote: Quote, idempotency_key: str | None, rate: RateLimit
) -> Admission | None:
    group, [generation] = _drafts(caller.wallet, request, quote, caller.api_key, idempotency_key)
    try:
        balance = await one_statement.admit(caller, group, generation)
    except IntegrityError:  # the same key came twice at the same moment
        return None
    if balance is None:
        return None
    wakeups.publish(wakeups.WORK, wakeups.wallet_topic(caller.wallet.pk))
    ADMITTED.add(source=group.source)
    return Admission((generation,), generation.credits, balance, rate)


def _rate(window: limits.Window, request: ImageRequest, taken: Taken | None) -> RateLimit | RateLimited:
    if taken is not None and taken.window == window:
        return taken.rate
    try:
        return limits.take(window, request.count)
    except RateLimited as error:
        return error


def _within(rate: RateLimit | RateLimited) -> None:
    if isinstance(rate, RateLimited):
        raise rate


def _create(
    wallet: Wallet,
    request: ImageRequest,
    quote: Quote,
    api_key: ApiKey | None,
    idempotency_key: str | None,
    token: BrowserToken | None,
) -> tuple[tuple[Generation, ...], int]:
    """Hold the credits and insert the rows, all in one transaction; return the rows and the balance."""
    group, drafts = _drafts(wallet, request, quote, api_key, idempotency_key, token)
    seen = Caller(api_key, wallet, token).generations() if api_key else wallet.generations
    if api_key is not None and api_key.is_test:
        return tuple(drafts), _create_samples(seen, wallet, request, group, drafts)
    with ledger.books(wallet) as books:
        # Each generation's credits on their own, so that each can settle or return alone.
        books.hold_each([(one.credit_reference, one.credit_cause, one.credits) for one in drafts])
        _check_room(wallet, request.count)
        _check_inputs(seen, wallet, request)
        _count_against_caps(api_key, token, _total(drafts), at=group.created_at)
        _insert(group, request, drafts)
        wakeups.publish_on_commit(wakeups.WORK)
    return tuple(drafts), books.balance


def _create_samples(
    seen: Any, wallet: Wallet, request: ImageRequest, group: Group, drafts: Sequence[Generation]
) -> int:
    """Insert the rows of what a test key asks for, and return the balance, which is nothing to them."""
    with transaction.atomic():
        on_their_way = wallet.generations.filter(is_test=True, status__in=Generation.UNFINISHED)
        if on_their_way.count() + request.count > SAMPLES_IN_FLIGHT:
            raise _Full(SAMPLES_IN_FLIGHT)
        _check_inputs(seen, wallet, request)
        _insert(group, request, drafts)
        wakeups.publish_on_commit(wakeups.SAMPLES, wakeups.wallet_topic(wallet.pk))
    return Wallet.objects.values_list("balance", flat=True).get(pk=wallet.pk)


def _insert(group: Group, request: ImageRequest, drafts: Sequence[Generation]) -> None:
    group.save()
    Input.objects.bulk_create(_inputs(group, request))
    # The last one first, so that a list with the newest first begins with a group's first image.
    Generation.objects.bulk_create(reversed(drafts))


def stored_key(idempotency_key: str | None, api_key: ApiKey | None, token: BrowserToken | None = None) -> str | None:
    """Return what the rows of a request have as its key: live and test keys of an account never meet in one, nor do two
    of its browser tokens, or one and a key.

    No caller can send a space.
    """
    whose = "test" if api_key is not None and api_key.is_test else ""
    if token is not None:
        whose = f"token {token.pk}"
    if idempotency_key is None or not whose:
        return idempotency_key
    return f"{whose} {hashlib.sha256(idempotency_key.encode()).hexdigest()}"


def _drafts(
    wallet: Wallet,
    request: ImageRequest,
    quote: Quote,
    api_key: ApiKey | None,
    idempotency_key: str | None,
    token: BrowserToken | None = None,
) -> tuple[Group, list[Generation]]:
    """Return the rows of a request, not saved yet: the group, and its generations with what each costs.

    Raises InvalidRequest for more or fewer pictures than what is done takes.
    """
    check_pictures(request)
    now, is_test = timezone.now(), api_key is not None and api_key.is_test
    deadline = now + timedelta(seconds=request.deadline_seconds or settings.GENERATION_DEADLINE_SECONDS)
    group = Group(
        wallet=wallet,
        api_key=api_key,
        source=Group.Source.STUDIO if api_key is None else Group.Source.API,
        operation=request.operation,
        image_model=quote.model,
        count=request.count,
        idempotency_key=idempotency_key,
        digest=request.digest,
        mask=request.mask,
        webhook_url=request.webhook_url,
        created_at=now,
    )
    generations = [
        Generation(
            public_id=new_public_id(),
            wallet=wallet,
            api_key=api_key,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            search_text=folded(request.prompt),
            aspect_ratio=request.aspect_ratio,
            idempotency_key=idempotency_key,
            position=position,
            request_digest=group.digest,
            group=group,
            operation=request.operation,
            image_model=quote.model,
            size=quote.size,
            quality=quote.quality,
            seed=None if request.seed is None else (request.seed + position - 1) % SEEDS,
            browser_token=token,
            credits=0 if is_test else quote.credits,
            is_test=is_test,
            is_awaited=api_key is None or (request.wait if request.is_awaited is None else request.is_awaited),
            created_at=now,
            due_at=outcomes.queued_until(request.prompt, now=now, deadline=deadline) if is_test else now,
            deadline_at=deadline,
        )
        for position in range(1, request.count + 1)
    ]
    return group, generations


def check_count(wallet: Wallet, api_key: ApiKey | None, request: ImageRequest) -> None:
    """Raise InvalidRequest for more images at once than limits ever have room for: no waiting helps there.

    One image may always be asked for.
    """
    plan = wallet.plan if api_key is None or not api_key.is_test else None
    at_once = plan.max_in_flight if plan is not None else None
    a_minute = limits.generate_window(wallet, api_key).per_minute
    most = max(1, a_minute if at_once is None else min(at_once, a_minute))
    if request.count > most:
        which = "unfinished images at a time" if most == at_once else "images a minute"
        raise InvalidRequest(
            "n", f"must be at most {most} now, for your limit is {most} {which}; ask for fewer at once"
        )


def check_pictures(request: ImageRequest) -> None:
    """Raise InvalidRequest for more or fewer pictures than what is done takes."""
    least, most, param = _PICTURES[request.operation]
    if not least <= len(request.inputs) <= most:
        raise InvalidRequest(
            param, {0: "leave it out", 1: "name one picture"}.get(most, f"name {least} to {most} pictures")
        )
    if request.mask is not None and request.operation != Operation.EDIT:
        raise InvalidRequest("mask", "only an edit has one")


def _total(generations: Sequence[Generation]) -> int:
    return sum(generation.credits for generation in generations)


def _inputs(group: Group, request: ImageRequest) -> Iterator[Input]:
    for position, one in enumerate(request.inputs, start=1):
        which = {"generation": one} if isinstance(one, Generation) else {"upload": one}
        yield Input(group=group, position=position, **which)


def _check_inputs(seen: Any, wallet: Wallet, request: ImageRequest) -> None:
    """See that the pictures are there and the wallet's own, and keep them so until the request is on record.

    `seen` are the images that whoever asks may see.
    """
    images = {one.pk for one in request.inputs if isinstance(one, Generation)}
    uploads = {one.pk for one in request.inputs if isinstance(one, Upload)}
    masks = {request.mask.pk} if request.mask else set()
    if images:
        kept = seen.completed().filter(pk__in=images)
        _require(images, kept, _PICTURES[request.operation][2])
    if uploads | masks:
        kept_uploads = wallet.uploads.filter(pk__in=uploads | masks, deleted_at=None)
        _require(uploads | masks, kept_uploads, _PICTURES[request.operation][2] if uploads else "mask")


def _require(pks: set[int], rows: QuerySet[Any], param: str) -> None:
    if set(rows.select_for_update(no_key=True).values_list("pk", flat=True)) != pks:
        raise InputGone(param, "a picture that it names is not there any more")


class _Full(Exception):
    def __init__(self, most: int) -> None:
        self.most = most


def _check_room(wallet: Wallet, count: int) -> None:
    """Undo the transaction when the plan's images in flight leave no room; the hold's lock makes the count exact."""
    most = wallet.plan.max_in_flight if wallet.plan else None
    if most is None:
        return
    on_their_way = wallet.generations.filter(is_test=False, status__in=Generation.UNFINISHED)
    if on_their_way.count() + count > most:
        raise _Full(most)


class _Capped(Exception):
    def __init__(self, cap: caps.Cap) -> None:
        self.cap = cap


def _capped(wallet: Wallet, cap: caps.Cap, rate: RateLimit) -> KeyLimitReached:
    balance = ledger.write_off_expired(wallet)
    return KeyLimitReached(cap=cap.credits or 0, rate=rate, balance=balance, period=cap.period, resets_at=cap.resets_at)


def _count_against_caps(api_key: ApiKey | None, token: BrowserToken | None, credits: int, *, at: datetime) -> None:
    """Count what a key, or a token of it, spends, and undo the transaction when a cap leaves no room for that.

    A key without a cap is counted too: it may be given one at any time.
    """
    if api_key is None:
        return
    if token is not None and not caps.take_of_token(token, credits):
        raise _Capped(caps.of_token(token))
    caps.take(api_key, credits, at)
    if cap := caps.exceeded(api_key):
        raise _Capped(cap)


def _replay(wallet: Wallet, request: ImageRequest, idempotency_key: str) -> Admission | None:
    earlier = tuple(Generation.objects.filter(wallet=wallet, idempotency_key=idempotency_key).order_by("position"))
    if not earlier:
        return None
    # Another count has another digest. The first model of all has none of its own, though it need not be the default.
    other = request.model is not None and earlier[0].image_model_id not in (None, request.model.pk)
    if earlier[0].request_digest != request.digest or other:
        raise IdempotencyConflict(earlier[0].public_id)
    balance = Wallet.objects.values_list("balance", flat=True).get(pk=wallet.pk)
    return Admission(earlier, 0, balance, None, replayed=True)


def _replay_in_turn(wallet: Wallet, request: ImageRequest, idempotency_key: str) -> Admission | None:
    """Look once more behind those who hold the wallet now: the same request, sent twice at once, may be among them."""
    with ledger.books(wallet):
        return _replay(wallet, request, idempotency_key)
