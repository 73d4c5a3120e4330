"""Data of the analysis: harmonised studies, scale, LD, and the whitened regression."""
