"""Billing's pages: translate HTTP, call one domain function each."""
