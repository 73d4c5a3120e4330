"""Counts of donors, added up over their cells, eq. (9)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.count_glm.model.variants import TextArray


@dataclass(frozen=True, slots=True, eq=False)
class DonorTotals(Result):
    """Sums over the cells of D donors.

    Attributes
    ----------
    counts
        (genes, D).
    exposure
        Native counts (D,).
    ambient
        Expected ambient counts (genes, D).
    donors, genes
        Names.
    n_cells
        Of every donor (D,).
    n_set_aside
        Cells without a donor, or of donors with too few cells.
    """

    counts: FloatArray
    exposure: FloatArray
    ambient: FloatArray
    donors: TextArray
    genes: TextArray
    n_cells: IntArray
    n_set_aside: int

    def to_frame(self) -> pd.DataFrame:
        """One row per donor."""
        share = self.ambient.sum(axis=0)
        return pd.DataFrame(
            {
                "donor": self.donors, "n_cells": self.n_cells, "counts": self.counts.sum(axis=0),
                "exposure": self.exposure, "ambient": share,
            }
        )  # fmt: skip
