"""Public functions of pseudobulk."""
