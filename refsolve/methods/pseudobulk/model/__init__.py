"""What the estimators share: samples, designs, fits of many genes, trends, variances."""
