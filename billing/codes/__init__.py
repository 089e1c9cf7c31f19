"""Codes that bring credits: how they are written, made and redeemed."""
