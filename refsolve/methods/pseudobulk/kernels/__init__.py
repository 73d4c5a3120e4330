"""Compiled kernels: `lanes` (exp, log, lgamma), `counts` (fits), `profiles`, `aggregate` (sums)."""
