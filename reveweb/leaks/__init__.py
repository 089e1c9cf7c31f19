"""Keys that somebody found where they should not be: whoever presents one can only revoke it."""
