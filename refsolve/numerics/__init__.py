"""What two or more methods share, named by object.

A kernel moves here when a second method needs it.
"""
