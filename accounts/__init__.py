"""Who you are: users, and the API keys that act for them."""
