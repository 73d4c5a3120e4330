"""Compiled twins of the equations of ambient RNA."""
