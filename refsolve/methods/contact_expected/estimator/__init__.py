"""Expected contacts, balancing, pile-ups, and the fits of background, stripes and loops."""
