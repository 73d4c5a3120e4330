"""What two or more methods share, named by object; a kernel moves here when a second method needs it."""
