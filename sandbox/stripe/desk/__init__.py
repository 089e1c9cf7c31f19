"""The operator's desk: what tests and the panel can make happen, over /sandbox/stripe/."""
