"""What people keep: lists, filters, favourites, shares, the trash."""
