"""Data of the analysis: contacts, regions, masks, tables of samples, and the likelihood."""
