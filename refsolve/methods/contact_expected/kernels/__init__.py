"""Compiled kernels: `diagonals` (distances), `balance` (weights), `pileup` (windows), `glm`."""
