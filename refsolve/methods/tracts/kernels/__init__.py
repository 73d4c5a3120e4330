"""Compiled kernels: `paths` (checks and counts), `pulse` (one pulse), `labels` (inversion)."""
