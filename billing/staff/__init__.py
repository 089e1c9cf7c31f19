"""What members of staff may do, do, and leave on record."""
