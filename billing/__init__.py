"""What a credit is, who has how many, and what changes that."""
