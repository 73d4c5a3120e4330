"""Genome scans, peaks with their intervals, founder effects, permutations, and several QTL."""
