"""The books, day by day: what Stripe took, what the ledger moved, what upstreams charged."""
