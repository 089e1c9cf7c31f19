"""What belongs to one person: their settings, the export of all they have, the closing of their account."""
