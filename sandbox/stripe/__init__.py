"""A local stand-in for Stripe: the calls reveweb makes, the hosted pages, signed webhooks, and a clock to turn.

Reading order: `config` and `server` (how it is mounted), `wire/` (Stripe's HTTP: forms, parameters, errors,
idempotency), `state/` (one SQLite file, the simulated clock), `objects/` (the shapes of the pinned API version),
`engine/` (what makes them change), `api/` (the endpoints), `webhooks/` (signing and delivery), `desk/` (what tests
and the panel can make happen), `pages/` (checkout, portal, panel).
No money moves anywhere; every object says `livemode: false` and every answer carries `X-Simulated: true`.
"""

API_VERSION = "2026-10-28.endive"
"""The one version served; requests that name another are refused."""
