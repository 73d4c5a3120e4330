"""Methods against simulated truth and stored exact values: one file per method."""
