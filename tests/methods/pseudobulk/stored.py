"""Stored values of edgeR, limma and DESeq2 on two small data sets."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from refsolve.methods.pseudobulk.textbook import normalisation

GOLD = Path(__file__).parents[2] / "gold" / "pseudobulk"
SETS = ("batch", "paired")
OUTLIER, SEPARATED = 2, 3  # planted genes


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLD / f"{name}.csv")


@cache
def counts(name: str) -> np.ndarray:
    return pd.read_csv(GOLD / f"{name}_counts.csv", index_col=0).to_numpy(np.float64)


@cache
def design(name: str) -> np.ndarray:
    return table(f"{name}_modelmatrix").to_numpy(np.float64)


@cache
def kept(name: str) -> np.ndarray:
    y = counts(name)
    return normalisation.expressed_enough(y, y.sum(axis=0), design(name))


def library(y: np.ndarray) -> np.ndarray:
    return y.sum(axis=0) * normalisation.tmm(y)
