"""What a scan of genes for variants around them reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result, jsonable
from refsolve.methods.count_glm.model.variants import FLAGS, OK, TextArray


@dataclass(frozen=True, slots=True, eq=False)
class CisMap(Result):
    """Score tests of G genes with the variants around them, T tests of V variants.

    Attributes
    ----------
    family
        The model of the counts.
    gene, status
        Names of the genes, and how their null fits ended (G,).
    n_variants, n_tested
        Variants in the window, and those of them that count for the gene (G,): neither few copies
        nor without variation beside the covariates.
    dispersion
        Alpha of the null model, or the donors' standard deviation for "mixed" (G,).
    scale
        Pearson's statistic over degrees of freedom (G,).
    lead
        Place of the variant with the largest statistic, or -1 (G,).
    effect, se, p
        Log rate ratio per copy of the effect allele of the lead, its standard error and Wald p
        value, from a fit with it (G,).
    p_cauchy
        Cauchy combination of a gene's score tests (G,).
    p_permutation, p_beta
        Share of permutations whose best variant is at least as good, and the same by the beta
        approximation (G,); NaN without permutations.
    beta_shapes
        Of the beta distribution (G, 2).
    p_gene, q
        `p_beta` where there are permutations, otherwise `p_cauchy`; and its false discovery rate
        over genes by Benjamini and Hochberg (G,).
    test_gene, test_variant
        Places of gene and variant of every test (T,).
    test_effect, test_se, test_p
        One-step effect, standard error, and p value of the score test (T,).
    test_p_beta
        P value within the gene by the beta approximation (T,).
    test_flag
        Why a test does not count for its gene (T,): 0 it does, 1 few copies of the rarer allele,
        2 no variation beside the covariates, 3 no genotype at all.
    chromosome, position, variant, effect_allele, other_allele
        Of every variant (V,).
    frequency, minor_count, n_missing
        Of the effect allele, copies of the rarer one, and donors whose genotype is missing and was
        replaced by the mean (V,); NaN and -1 for variants that are near no gene.
    n_donors
        Donors that were tested.
    without_genotypes, without_counts
        Donors with counts that have no genotypes, and the reverse; both were left out.
    cells_set_aside
        Cells without a donor, or of donors with too few of them; 0 where donors' counts were given.
    n_permutations
        Of donors.
    """

    family: str
    gene: TextArray
    status: TextArray
    n_variants: IntArray
    n_tested: IntArray
    dispersion: FloatArray
    scale: FloatArray
    lead: IntArray
    effect: FloatArray
    se: FloatArray
    p: FloatArray
    p_cauchy: FloatArray
    p_permutation: FloatArray
    p_beta: FloatArray
    beta_shapes: FloatArray
    p_gene: FloatArray
    q: FloatArray
    test_gene: IntArray
    test_variant: IntArray
    test_effect: FloatArray
    test_se: FloatArray
    test_p: FloatArray
    test_p_beta: FloatArray
    test_flag: NDArray[np.int8]
    chromosome: TextArray
    position: IntArray
    variant: TextArray
    effect_allele: TextArray
    other_allele: TextArray
    frequency: FloatArray
    minor_count: FloatArray
    n_missing: IntArray
    n_donors: int
    without_genotypes: tuple[str, ...]
    without_counts: tuple[str, ...]
    cells_set_aside: int
    n_permutations: int

    def to_frame(self) -> pd.DataFrame:
        """One row per test, in the order of the genes and of positions."""
        columns = {"gene": self.gene[self.test_gene], **self._variants(self.test_variant)}
        statistic = (self.test_effect / self.test_se) ** 2
        return pd.DataFrame(
            {
                **columns, "effect": self.test_effect, "se": self.test_se, "statistic": statistic,
                "p": self.test_p, "p_beta": self.test_p_beta, "flag": FLAGS[self.test_flag],
            }
        )  # fmt: skip

    def gene_frame(self) -> pd.DataFrame:
        """One row per gene, with its best variant."""
        columns = self._variants(self.lead)
        names = (
            "effect", "se", "p", "p_cauchy", "p_permutation", "p_beta", "p_gene", "q",
            "n_variants", "n_tested", "dispersion", "scale", "status",
        )  # fmt: skip
        own = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"gene": self.gene, **columns, **own})

    def n_discoveries(self, fdr: float = 0.05) -> int:
        """Genes at a false discovery rate.

        Parameters
        ----------
        fdr
            The rate.
        """
        return int((self.q <= fdr).sum())

    def to_dict(self) -> dict[str, Any]:
        """Both tables as lists of columns, and what was left out."""
        genes, tests = (
            {str(k): jsonable(v.to_numpy()) for k, v in frame.items()}
            for frame in (self.gene_frame(), self.to_frame())
        )
        names = (
            "family",
            "n_donors",
            "without_genotypes",
            "without_counts",
            "cells_set_aside",
            "n_permutations",
        )
        return {**{name: jsonable(getattr(self, name)) for name in names}, "genes": genes,
                "tests": tests}  # fmt: skip

    def summary(self) -> str:
        """Counts of what was tested, left out, and found."""
        word, number = np.unique(self.status.astype(str), return_counts=True)
        ends = ", ".join(f"{n} {w}" for w, n in zip(word, number, strict=True))
        flags = np.bincount(self.test_flag, minlength=FLAGS.size)
        flagged = [f"{n} {FLAGS[k]}" for k, n in enumerate(flags) if n and k != OK]
        imputed = int(np.maximum(self.n_missing, 0).sum())
        lines = [
            f"{self.test_flag.size} tests of {self.gene.size} genes ({ends})",
            f"{self.n_donors} donors; {len(self.without_genotypes)} without genotypes and "
            f"{len(self.without_counts)} without counts left out"
            + (f"; {self.cells_set_aside} cells set aside" if self.cells_set_aside else ""),
            f"flagged tests: {', '.join(flagged) or 'none'}; missing genotypes: {imputed}",
            f"{self.n_discoveries()} genes at a false discovery rate of 5 % "
            f"({'permutations' if self.n_permutations else 'Cauchy combination'})",
        ]
        return "\n".join(lines)

    def _variants(self, rows: IntArray) -> dict[str, Any]:
        """Columns of variants, empty where there is none."""
        some = rows >= 0
        place = np.where(some, rows, 0)
        names = (
            "variant", "chromosome", "position", "effect_allele", "other_allele", "frequency",
            "minor_count", "n_missing",
        )  # fmt: skip
        out: dict[str, Any] = {}
        for name in names:
            values = getattr(self, name)
            if values.size == 0:
                values, place = np.array([0 if values.dtype.kind == "i" else None]), place * 0
            empty: Any = (
                -1 if values.dtype.kind == "i" else (np.nan if values.dtype.kind == "f" else None)
            )
            out[name] = np.where(some, values[place], empty)
        return out
