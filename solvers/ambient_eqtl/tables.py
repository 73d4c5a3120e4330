"""The released files as they enter the analysis, and the checks that need more than one column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import AnalysisError, InputError, Violation
from refsolve.io import Table, read_tables

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

GENES = ("HBB", "IFI6", "ISG15", "LST1", "CXCL10")
NULL_MARKER, TARGET = GENES[0], GENES[-1]
MARKERS = {"IFI6": 1.0, "ISG15": 1.0, "LST1": -1.0}  # which way activation moves them
BY_CHANCE = 0.01  # of droplets may have a total below the sum of the genes, drawn apart from it
COVARIATES = ("sex", "age", "bmi")
SEXES = {"f": "female", "female": "female", "w": "female", "woman": "female", "women": "female"}
SEXES |= {"m": "male", "male": "male", "man": "male", "men": "male"}


@dataclass(frozen=True, slots=True, eq=False)
class Droplets:
    """Counts of the genes, (droplets, genes) in the order of `GENES`, and totals of all genes."""

    counts: FloatArray
    total: FloatArray

    def of(self, gene: str) -> FloatArray:
        """Counts of one gene."""
        return self.counts[:, GENES.index(gene)]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything the analyst is given.

    Attributes
    ----------
    cells
        Cells that can be used, by donor and name.
    code
        Per cell the row of its donor.
    empties
        Empty droplets.
    donors
        Donors with genotype and cells, by name: `donor`, `g`, and a number for `sex`, `age`, `bmi`
        or NaN.
    categories
        Words of `sex` in the order of their numbers.
    set_aside
        Rows that could not be used, by reason.
    below_genes
        Empty droplets, all of them used, whose total is below the sum of their genes.
    """

    cells: Droplets
    code: IntArray
    empties: Droplets
    donors: pd.DataFrame
    categories: tuple[str, ...]
    set_aside: dict[str, int]
    below_genes: int

    @property
    def genotype(self) -> FloatArray:
        """Copies of the counted allele of every donor."""
        return self.donors["g"].to_numpy(np.float64)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums over the cells of every donor."""
        return np.bincount(self.code, values, len(self.donors))


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    cells, empties, donors = (tables[name] for name in ("cells", "empty_drops", "donors"))
    violations = [*_total_violations(cells, 0.0), *_total_violations(empties, BY_CHANCE)]
    if violations:
        raise InputError(violations)
    kept, set_aside = _usable(cells.frame, donors.frame)
    frame = cells.frame[kept].sort_values(["donor", "cell_id"], ignore_index=True)
    known = donors.frame.dropna(subset="g").sort_values("donor", ignore_index=True)
    people = known[known["donor"].isin(frame["donor"])].reset_index(drop=True)
    set_aside["donors without cells"] = len(known) - len(people)
    drops = empties.frame.dropna().sort_values("barcode", ignore_index=True)
    set_aside["empty droplets without a count"] = len(empties.frame) - len(drops)
    if people.empty:
        raise AnalysisError(
            "No cell has counts and a donor whose genotype is known.",
            hint="Cells and donors are matched by the column 'donor'.",
        )
    if drops.empty:
        raise AnalysisError(
            "No empty droplet has all its counts.", hint="The ambient RNA is measured in these."
        )
    sex, categories = _sexes(people["sex"])
    return Study(
        _droplets(frame),
        pd.Index(people["donor"]).get_indexer(pd.Index(frame["donor"])).astype(np.int64),
        _droplets(drops),
        people[["donor", "g", "age", "bmi"]].assign(sex=sex),
        categories,
        {reason: count for reason, count in set_aside.items() if count},
        int(_below_genes(drops).sum()),
    )


def _droplets(frame: pd.DataFrame) -> Droplets:
    return Droplets(
        np.ascontiguousarray(frame[list(GENES)].to_numpy(np.float64)),
        frame["total_umi"].to_numpy(np.float64),
    )


def _usable(cells: pd.DataFrame, donors: pd.DataFrame) -> tuple[BoolArray, dict[str, int]]:
    """Cells that are used, and the others by the first reason that applies."""
    typed = donors.loc[donors["g"].notna(), "donor"]
    reasons = {
        "cells without a donor": cells["donor"].isna(),
        "cells without a count": cells[["total_umi", *GENES]].isna().any(axis=1),
        "cells of donors without genotype": ~cells["donor"].isin(typed),
        "cells without molecules": cells["total_umi"] == 0,
    }
    kept, set_aside = np.ones(len(cells), dtype=np.bool_), {}
    for reason, wrong in reasons.items():
        lost = kept & wrong.to_numpy(dtype=bool)
        set_aside[reason] = int(lost.sum())
        kept &= ~lost
    return kept, set_aside


def _total_violations(table: Table, tolerated: float) -> Iterator[Violation]:
    """Droplets whose genes have more molecules than the droplet, if they are not just a few."""
    wrong = np.flatnonzero(_below_genes(table.frame))
    if wrong.size <= tolerated * len(table.frame):
        return
    i = wrong[0]
    genes = table.frame[list(GENES)].iloc[i].sum()
    expected = f"at least {genes:.0f}, the sum of the five genes of this droplet"
    more = f"{wrong.size - 1} more rows are wrong in the same way" if wrong.size > 1 else ""
    value = int(table.frame["total_umi"].iloc[i])
    yield Violation(table.path.name, "total_umi", int(table.rows[i]), value, expected, more)


def _below_genes(frame: pd.DataFrame) -> BoolArray:
    total = frame["total_umi"].to_numpy(np.float64)
    return np.asarray(frame[list(GENES)].sum(axis=1).to_numpy(np.float64) > total)


def _sexes(column: pd.Series) -> tuple[FloatArray, tuple[str, ...]]:
    """Numbers for the words of a column, whatever they are; NaN where there is none."""
    words = column.map(_sex, na_action="ignore")
    categories = tuple(sorted(words.dropna().unique()))
    code = words.map({word: float(k) for k, word in enumerate(categories)})
    return code.to_numpy(np.float64), categories


def _sex(word: str) -> str:
    plain = re.sub(r"\.0+$", "", word.strip().casefold())
    return SEXES.get(plain, plain)
