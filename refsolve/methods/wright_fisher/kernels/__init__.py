"""Compiled kernels: `parts` (building blocks), `exact` (chain on counts), `grid` (large N)."""
