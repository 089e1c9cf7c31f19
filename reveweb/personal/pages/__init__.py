"""The pages under `/account/`, one module each."""
