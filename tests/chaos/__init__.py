"""`make chaos`: a whole installation under mixed load while its parts are killed, stopped and cut off at random.

    python -m tests.chaos [--seed 17] [--seconds 40] [--on sqlite|postgres|both]

`site` starts it all, `upstream` draws badly on purpose, `load` asks, `weather` breaks things, `audit` counts
afterwards, and `storm` is one run of them. Everything stays on loopback, and only what a run started is ended, by id.
"""
