"""Compiled kernels: `variance` (share of the kinship), `positions` (founder columns)."""
