"""Compiled kernels of the founder HMM."""
