"""Ambient RNA: its profile, its share of each cell, and counts without it."""
