"""`make stories`: plays random stories; see the package. `make stories SEED=17 COUNT=1` repeats one."""

import argparse
import gc
import os
import random
import shutil
import sys
import time
from collections import Counter

PROGRESS = 100


def main() -> int:
    """Play the stories that were asked for and return the process's exit status."""
    parser = argparse.ArgumentParser(prog="make stories", description="Random stories of customers and operators.")
    parser.add_argument("--seed", type=int, help="the first story's seed (default: a new one)")
    parser.add_argument("--stories", type=int, default=1000, help="how many, with the seeds that follow (1000)")
    parser.add_argument("--without", action="append", default=[], metavar="ACT", help="as in a_strangers_checkout")
    parser.add_argument("--all", action="store_true", help="tell each failure, not one for each rule")
    parser.add_argument("--log", action="store_true", help="print the log of stories that hold, too")
    wanted = parser.parse_args()
    first = wanted.seed if wanted.seed is not None else random.randrange(1_000_000)

    import django

    from tests import environment  # before Django reads its settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
    django.setup()
    from tests import prepared
    from tests.stories.story import play, shorten, steps_of

    prepared.use_database()
    gc.freeze()  # what is there now stays
    failures: Counter[str] = Counter()
    seeds: dict[str, list[int]] = {}
    began, steps = time.monotonic(), 0
    print(f"seeds {first} to {first + wanted.stories - 1}", flush=True)
    try:
        for seed in range(first, first + wanted.stories):
            outcome = play(steps_of(seed, wanted.without))
            steps += len(outcome.steps)
            if outcome.rule:
                failures[outcome.rule] += 1
                seeds.setdefault(outcome.rule, []).append(seed)
                if wanted.all or failures[outcome.rule] == 1:
                    tell(seed, shorten(outcome))
            elif wanted.log:
                print(*outcome.log, sep="\n")
            if (seed - first + 1) % PROGRESS == 0:
                print(f"{seed - first + 1} stories, {sum(failures.values())} failed", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        for server in environment.SERVERS.values():
            if server.process:
                environment.stop(server.process)
        shutil.rmtree(environment.VAR_DIR, ignore_errors=True)
    seconds = time.monotonic() - began
    print(f"{wanted.stories} stories, {steps} steps, {seconds:.0f} s ({seconds / wanted.stories * 1000:.0f} ms each)")
    for rule, count in failures.most_common():
        print(f"  {count:4} {rule}: {', '.join(map(str, seeds[rule][:12]))}")
    return 1 if failures else 0


def tell(seed: int, outcome: "object") -> None:
    """Print a failure."""
    print(f"\n--- seed {seed}: {outcome.words}", *(f"  {line}" for line in outcome.log), sep="\n", flush=True)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
