"""Events on their way out: the outbox, the signature, the courier."""
