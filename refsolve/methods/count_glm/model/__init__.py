"""Exposures, designs, fits and tests of counts."""
