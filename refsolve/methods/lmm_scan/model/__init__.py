"""Probabilities along the genome, kinship, covariates, and the model without founder effects."""
