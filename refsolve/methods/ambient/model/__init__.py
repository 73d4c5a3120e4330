"""Matrices in every form, and the likelihoods of the contamination."""
