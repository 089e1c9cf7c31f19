"""What is sold: plans, packs, and their prices at Stripe."""
