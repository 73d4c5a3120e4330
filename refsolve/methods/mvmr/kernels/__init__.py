"""Compiled kernels: `regression` (whitened fits), `robust` (outliers), `selection` (signals)."""
