"""How Stripe changes the books, and what is asked of it."""
