"""Maps and designs, genotypes of lines and founders, and what a call says about a state."""
