"""A story: steps drawn from a seed, played, and made short when it fails."""

import random
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sandbox.stripe.wire.errors import StripeError
from tests.stories.acts import ACTS, Nothing
from tests.stories.post import WAYS
from tests.stories.stage import Stage, playing
from tests.stories.truth import Broken

STEPS = (4, 14)  # acts of a story, at least and at most
THEMES: tuple[tuple[str, ...], ...] = (
    (),  # whatever there is
    ("buy_plan", "change_plan", "cancel_later", "cancel_now", "resume", "card", "days_pass", "a_year_passes"),
    ("buy_plan", "edit_catalogue", "days_pass", "change_plan", "pay_what_is_open", "cancel_now"),
    ("buy_plan", "switch_at_stripe", "quantity", "price_made_by_hand", "archive_a_price", "change_plan", "days_pass"),
    ("buy_plan", "buy_pack", "draw_images", "images_end", "refund", "refund_fails", "dispute", "dispute_ends"),
    ("buy_pack", "edit_catalogue", "pay_what_is_open", "hours_pass", "refund", "dispute", "dispute_ends"),
    ("buy_plan", "draw_images", "images_end", "days_pass", "refund", "cancel_later", "card"),
)
ASIDE = ("a_night", "stripe_stumbles", "a_strangers_checkout", "a_retainer", "customer_deleted", "staff_grant")
BY_WAY = {way.__name__: way for way in WAYS}


@dataclass(frozen=True)
class Step:
    """One act, or one way in which events arrive; `dice` decides all that it leaves open."""

    name: str
    dice: int


@dataclass
class Outcome:
    """How a story ended: `rule` is empty if everything held."""

    rule: str = ""
    words: str = ""
    log: list[str] = field(default_factory=list)
    steps: Sequence[Step] = ()


def steps_of(seed: int, without: Collection[str] = ()) -> list[Step]:
    """Draw a story. Each has a theme, so that what belongs together meets often enough."""
    dice = random.Random(seed)
    theme = dice.choice(THEMES)
    names = [name for name in (theme or tuple(ACTS)) if name not in without]
    aside = [name for name in ASIDE if name not in without]
    orderly = dice.random() < 0.3
    steps = []
    for number in range(dice.randint(*STEPS)):
        likely = names if dice.random() < 0.85 or not aside else aside
        if not number:
            likely = [name for name in names if name.startswith("buy_")]
        [name] = dice.choices(likely, [ACTS[name][1] for name in likely])
        steps.append(Step(name, dice.getrandbits(32)))
        if orderly or dice.random() < 0.75:
            way = "in_order" if orderly or dice.random() < 0.4 else dice.choice(list(BY_WAY))
            steps.append(Step(way, dice.getrandbits(32)))
    return steps


def play(steps: Sequence[Step]) -> Outcome:
    """Play a story to its end, or until something does not hold."""
    outcome = Outcome(steps=steps)
    with playing() as stage:
        try:
            for step in steps:
                _play(stage, step)
            stage.finish()
        except Broken as broken:
            outcome.rule, outcome.words = broken.rule, str(broken)
        except Exception as error:
            outcome.rule = f"crashed: {type(error).__name__}"
            outcome.words = "".join(traceback.format_exception(error)[-6:])
        outcome.log = stage.log
    return outcome


def _play(stage: Stage, step: Step) -> None:
    dice = random.Random(step.dice)
    stage.stripe.pass_time(dice.randint(1, 90))
    try:
        if step.name in BY_WAY:
            stage.say(f"({step.name.replace('_', ' ')})")
            BY_WAY[step.name](stage.post, dice)
        else:
            ACTS[step.name][0](stage, dice)
    except Nothing:
        return
    except StripeError as error:
        stage.say(f"    Stripe refuses: {error.message}")
    stage.after()


def shorten(outcome: Outcome) -> Outcome:
    """Leave out whatever the failure does not need."""
    steps, size = list(outcome.steps), max(1, len(outcome.steps) // 2)
    while size:
        start = 0
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            tried = play(fewer)
            if tried.rule == outcome.rule:
                outcome, steps = tried, fewer
            else:
                start += size
        size //= 2
    for number, step in enumerate(steps):
        if step.name in BY_WAY and step.name != "in_order":
            simpler = [*steps[:number], Step("in_order", step.dice), *steps[number + 1 :]]
            tried = play(simpler)
            if tried.rule == outcome.rule:
                outcome, steps = tried, simpler
    return outcome
