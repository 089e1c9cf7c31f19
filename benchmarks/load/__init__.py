"""How much reveweb bears, beside two gateways that people know: `make bench` and `make bench-quick`.

docs/performance.md says what is measured and how; `benchmarks.load.__main__` is the order of it.
"""
