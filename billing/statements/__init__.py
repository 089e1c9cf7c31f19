"""A month of an account on paper."""
