"""Differential expression with donors as replicates."""
