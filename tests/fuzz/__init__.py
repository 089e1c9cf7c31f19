"""Odd requests to every address of the site, as everybody who may come: whatever is sent, nothing of ours breaks."""
