"""Regression of counts whose mean has an ambient part, and scans of genes and variants."""
