"""Compiled arithmetic of regressions of counts."""
