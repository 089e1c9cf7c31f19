"""Bytes become verified images in storage, and images become downloads."""
