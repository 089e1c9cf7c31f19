"""What the product is for: one request becomes one image."""
