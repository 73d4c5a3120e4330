"""Tracts, their counts, and the likelihoods: `container`, `counts`, then `pulse`."""
