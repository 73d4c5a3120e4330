"""The released files as they enter the analysis, and the checks that need more than one file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import AnalysisError, InputError, Violation
from refsolve.io import Table, read_tables

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CallArray = NDArray[np.int8]
Strings = NDArray[np.str_]

FOUNDERS = tuple(f"F{k}" for k in range(1, 9))
MARKERS, ALLELES, CALLS, TRAITS = "markers", "founders", "ril_genotypes", "phenotypes"
TARGET = "1"  # chromosome of the QTL
UNKNOWN = "unknown"  # batch of a line whose batch is missing
LARGEST = 1e100  # of a covariate: squares of larger numbers overflow
FEWEST = 2  # markers of chromosome 1 between which a position can lie
_PREFIX = re.compile(r"^(chromosome|chrom|chr|lg)[\s_.-]*(?=.)")


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything the analyst is given, each table in the order of its file.

    Attributes
    ----------
    chart
        `marker_id`, `chr` as one name per chromosome, `pos_cM`.
    alleles
        `marker_id` and F1 to F8; NaN where a founder was not called.
    calls
        Lines by markers, −1 where missing.
    lines, markers
        Labels of the rows and columns of `calls`.
    traits
        `line_id`, `phenotype`, `batch`.
    covariates
        Numbers of the same lines.
    ignored
        Why the other columns of the phenotypes are no covariates, by column.
    turned
        As many lines as markers, and the calls fit the founders as markers by lines only.
    """

    chart: pd.DataFrame
    alleles: pd.DataFrame
    calls: CallArray
    lines: Strings
    markers: Strings
    traits: pd.DataFrame
    covariates: pd.DataFrame
    ignored: dict[str, str]
    turned: bool


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    chart = tables[MARKERS].frame.assign(chr=tables[MARKERS].frame["chr"].map(chromosome))
    violations = [*_target_violations(tables, chart)]
    if violations:
        raise InputError(violations)
    archive = tables[CALLS]
    calls, turned = _calls(tables)
    covariates, ignored = _covariates(tables[TRAITS])
    traits = tables[TRAITS].frame[["line_id", "phenotype", "batch"]].copy()
    traits["batch"] = _categories(traits["batch"])
    _refuse_empty(traits, calls)
    return Study(
        chart,
        tables[ALLELES].frame,
        calls,
        archive.axes["line_id"].astype(str),
        archive.axes["marker_id"].astype(str),
        traits,
        covariates,
        ignored,
        turned,
    )


def chromosome(name: str) -> str:
    """One name for 1, 01, chr1, Chr1, Chr_1 and the like.

    Parameters
    ----------
    name
        As a file has it.
    """
    bare = _PREFIX.sub("", name.strip().casefold())
    number = re.fullmatch(r"0*(\d+)(\.0*)?", bare)
    return number[1] if number else bare.upper()


def _target_violations(tables: Mapping[str, Table], chart: pd.DataFrame) -> Iterator[Violation]:
    """No chromosome 1 on the map, or hardly a marker that was typed there."""
    file, there = tables[MARKERS].path.name, sorted(set(tables[MARKERS].frame["chr"]))
    first = chart.loc[chart["chr"] == TARGET, "marker_id"]
    if first.empty:
        expected = "a chromosome 1 (or chr1, Chr1) that the QTL is looked for on"
        yield Violation(file, "chr", None, None, expected, f"the chromosomes are {there[:12]}")
        return
    typed = int(first.isin(tables[CALLS].axes["marker_id"].astype(str)).sum())
    if typed < FEWEST:
        expected = f"at least {FEWEST} markers of chromosome 1, and there {_are(typed)}"
        yield Violation(tables[CALLS].path.name, "marker_id", None, None, expected)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count or 'none'}"


def _calls(tables: Mapping[str, Table]) -> tuple[CallArray, bool]:
    """Lines by markers; where both are as many, the founders say which is which."""
    archive = tables[CALLS]
    calls = archive.matrices["genotypes"]
    coded = np.where(np.isnan(calls), -1, calls).astype(np.int8)
    if coded.shape[0] != coded.shape[1]:
        return coded, False
    order = pd.Index(tables[ALLELES].frame["marker_id"]).get_indexer(archive.axes["marker_id"])
    frequency = tables[ALLELES].frame[list(FOUNDERS)].mean(axis=1).to_numpy()[order]
    straight, other = (_likeness(one, frequency) for one in (calls, calls.T))
    turned = other > straight + 0.5
    return (np.ascontiguousarray(coded.T), True) if turned else (coded, False)


def _likeness(calls: FloatArray, frequency: FloatArray) -> float:
    """Correlation of allele frequencies in lines and founders, which few flips leave positive."""
    both = pd.DataFrame({"lines": pd.DataFrame(calls).mean(), "founders": frequency}).dropna()
    if len(both) < FEWEST or not (both.std() > 0).all():
        return 0.0
    return float(np.corrcoef(both.to_numpy().T)[0, 1])


def _covariates(table: Table) -> tuple[pd.DataFrame, dict[str, str]]:
    """Further columns that hold numbers; a missing one becomes the mean of the others."""
    found: dict[str, pd.Series[float]] = {}
    ignored: dict[str, str] = {}
    measured = table.frame["phenotype"].notna()
    for name in table.groups.get("covariates", ()):
        texts = table.frame[name]
        values = pd.to_numeric(texts, errors="coerce").astype(np.float64)
        values = values.where(values.abs() <= LARGEST)
        known = values[measured]
        if (values.isna() & texts.notna()).any():
            ignored[name] = "not all numbers"
        elif known.isna().all():
            ignored[name] = "empty"
        elif known.min() == known.max():
            ignored[name] = "constant"
        else:
            found[name] = values
    return pd.DataFrame(found, index=table.frame.index), ignored


def _categories(batch: pd.Series[str]) -> pd.Series[str]:
    """Batches by name, so that 1 and 1.0 are the same, and a missing one is one of its own."""
    texts = batch.str.strip()
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().sum() == texts.notna().sum():
        texts = numbers.map(lambda x: f"{x:.12g}", na_action="ignore")
    return texts.astype(object).where(texts.notna(), UNKNOWN).astype(str)


def _refuse_empty(traits: pd.DataFrame, calls: CallArray) -> None:
    if traits["phenotype"].isna().all():
        raise AnalysisError(
            f"None of the {len(traits)} lines has a phenotype: there is nothing to map.",
            hint="Column 'phenotype' of the phenotypes must hold numbers.",
        )
    if (calls < 0).all():
        raise AnalysisError(
            f"All calls of {calls.shape[0]} lines at {calls.shape[1]} markers are missing: "
            "founders cannot be reconstructed.",
            hint="Array 'genotypes' must hold 0 and 1.",
        )
