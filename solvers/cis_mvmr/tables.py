"""The released files as they enter the analysis, and the checks that need more than one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import InputError, Violation
from refsolve.io import Table, read_tables

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

PROTEINS = ("PROTA", "PROTB")
PHASES = (1, 2)
DISEASE = "disease_association"
VARIANTS, LD = "variant_metadata", "locus_correlation_EUR"
DATASETS, MEASUREMENTS = "dataset_metadata", "protein_measurements"
UNITS = ("log10", "ln", "log2", "sd")
USABLE = {"pass": True, "ok": True, "usable": True}
USABLE |= {"fail": False, "failed": False, "unusable": False}
UNLIKE = 0.1  # the two halves of a matrix of correlations never differ by more


def dataset(protein: str, phase: int) -> str:
    """Name of the file of a protein and phase."""
    return f"protein_{protein}_phase{phase}"


ASSOCIATIONS = (*(dataset(p, k) for p in PROTEINS for k in PHASES), DISEASE)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What is known of one file of associations: its unit, people (NaN if unknown), ancestry."""

    unit: str
    n: float
    ancestry: str


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """One protein: log10 concentrations, their batches, and whether quality control passed them."""

    value: FloatArray
    batch: NDArray[np.str_]
    passed: BoolArray | None
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything the analyst is given.

    Attributes
    ----------
    studies
        Associations by file.
    reference
        Variants of the locus with their alleles.
    ld, labels
        Correlations, and the variant of each row and column.
    datasets
        Unit and size by file.
    measurements
        Concentrations by protein; a protein that needs none may lack them.
    asymmetry
        Largest difference between the two halves of the correlations as released.
    shifted
        Variants whose position differs between files.
    """

    studies: dict[str, pd.DataFrame]
    reference: pd.DataFrame
    ld: FloatArray
    labels: tuple[str, ...]
    datasets: dict[str, Dataset]
    measurements: dict[str, Measurements]
    asymmetry: float
    shifted: int


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    violations = [
        *_allele_violations(tables[VARIANTS]),
        *_shared_violations(tables),
        *_dataset_violations(tables[DATASETS]),
        *_status_violations(tables[MEASUREMENTS]),
        *_correlation_violations(tables[LD]),
    ]
    if not violations:
        violations = list(_measurement_violations(tables))
    if violations:
        raise InputError(violations)
    correlation = tables[LD].matrices["correlation"]
    reference = _sorted(tables[VARIANTS].frame)
    return Study(
        {name: _sorted(tables[name].frame) for name in ASSOCIATIONS},
        reference,
        (correlation + correlation.T) / 2,
        tuple(tables[LD].frame["snp"].tolist()),
        _datasets(tables[DATASETS]),
        {protein: _measured(tables[MEASUREMENTS], protein) for protein in PROTEINS},
        float(_asymmetry(correlation).max(initial=0.0)),
        _shifted(tables, reference),
    )


def _asymmetry(correlation: FloatArray) -> FloatArray:
    return np.nan_to_num(np.abs(correlation - correlation.T))


def _correlation_violations(table: Table) -> Iterator[Violation]:
    """A matrix that holds something else than correlations, or half of them."""
    r, name, snps = table.matrices["correlation"], table.path.name, table.frame["snp"]
    diagonal = np.nan_to_num(np.diag(r), nan=1.0)
    for i in np.flatnonzero(np.abs(diagonal - 1) > UNLIKE)[:1]:
        expected = f"1, the correlation of {snps[i]} with itself"
        remedy = "release correlations, not covariances"
        yield Violation(name, "correlation", int(i) + 1, float(diagonal[i]), expected, remedy)
        return
    unlike = np.argwhere(_asymmetry(r) > UNLIKE)
    for i, j in unlike[:1]:
        expected = f"{r[j, i]:.6g}, as between {snps[j]} and {snps[i]} in row {j + 1}"
        more = f"; {len(unlike) // 2 - 1} more pairs differ" if len(unlike) > 2 else ""
        remedy = f"it stands between {snps[i]} and {snps[j]}, and the matrix is symmetric{more}"
        yield Violation(name, "correlation", int(i) + 1, float(r[i, j]), expected, remedy)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    # The order of a file says nothing, and sums must not depend on it.
    return frame.sort_values("snp", ignore_index=True)


def _shifted(tables: Mapping[str, Table], reference: pd.DataFrame) -> int:
    known = reference.set_index("snp")["pos_bp"]
    moved: set[str] = set()
    for name in ASSOCIATIONS:
        frame = tables[name].frame.dropna(subset="pos_bp")
        expected = frame["snp"].map(known)
        moved |= set(frame["snp"][expected.notna() & (expected != frame["pos_bp"])])
    return len(moved)


def _allele_violations(table: Table) -> Iterator[Violation]:
    frame = table.frame
    same = frame["ref_allele"].str.upper() == frame["alt_allele"].str.upper()
    for i in np.flatnonzero(same.to_numpy(dtype=bool, na_value=False))[:1]:
        row, value = int(table.rows[i]), str(frame["alt_allele"].iloc[i])
        expected = f"an allele other than the ref_allele {frame['ref_allele'].iloc[i]!r}"
        remedy = "correct one of the two alleles"
        yield Violation(table.path.name, "alt_allele", row, value, expected, remedy)


def _shared_violations(tables: Mapping[str, Table]) -> Iterator[Violation]:
    """Files none of whose variants are in the list of variants: another naming scheme."""
    known, where = set(tables[VARIANTS].frame["snp"]), tables[VARIANTS].path.name
    for name in (*ASSOCIATIONS, LD):
        snps = tables[name].frame["snp"]
        if known.isdisjoint(snps):
            expected = f"a variant that {where} lists in column 'snp'"
            remedy = f"not one of the {len(snps)} is there; name variants alike in all files"
            yield _blame(tables[name], "snp", 0, snps.iloc[0], expected, remedy)


def _blame(
    table: Table, column: str, i: int, value: object, expected: str, remedy: str
) -> Violation:
    return Violation(table.path.name, column, int(table.rows[i]), value, expected, remedy)


def _row_of(table: Table, name: str) -> NDArray[np.intp]:
    """Rows that describe a file: by its name, or else by protein and phase."""
    frame = table.frame
    hit = (frame["dataset"].str.removesuffix(".tsv.gz") == name).to_numpy()
    if not hit.any() and name != DISEASE:
        _, protein, phase = name.split("_")
        digits = frame["phase"].fillna("").str.extract(r"^(?i:phase)?[\s_-]*(\d+)(?:\.0)?$")[0]
        hit = ((frame["protein"] == protein) & (digits == phase.removeprefix("phase"))).to_numpy()
    return np.flatnonzero(hit)


def _dataset_violations(table: Table) -> Iterator[Violation]:
    for name in ASSOCIATIONS:
        rows = _row_of(table, name)
        if rows.size == 0 and name != DISEASE:
            yield Violation(
                table.path.name, "dataset", None, None, f"a row for {name}", "add the row"
            )
        if rows.size > 1:
            first, i = int(table.rows[rows[0]]), int(rows[1])
            value = str(table.frame["dataset"].iloc[i])
            remedy = f"row {first} describes it too; remove one of them"
            yield _blame(table, "dataset", i, value, f"one row for {name}", remedy)
        for i in rows[:1]:
            yield from _unit_violation(table, int(i), name)


def _unit_violation(table: Table, i: int, name: str) -> Iterator[Violation]:
    unit = _text(table.frame["unit"].iloc[i])
    known = ("", "log_or") if name == DISEASE else UNITS
    if unit not in known:
        words = "log_or or nothing" if name == DISEASE else f"one of {', '.join(UNITS)}"
        value, remedy = table.frame["unit"].iloc[i], f"say in what {name} was measured"
        shown = None if pd.isna(value) else str(value)
        yield _blame(table, "unit", i, shown, words, remedy)


def _status_violations(table: Table) -> Iterator[Violation]:
    if "batch_status" not in table.frame:
        return
    status = table.frame["batch_status"].str.strip().str.casefold()
    unknown = np.flatnonzero((status.notna() & ~status.isin(list(USABLE))).to_numpy())
    for i in unknown[:1]:
        value = str(table.frame["batch_status"].iloc[i])
        more = f"{unknown.size - 1} more rows are wrong in the same way" if unknown[1:].size else ""
        yield _blame(table, "batch_status", int(i), value, f"one of {', '.join(USABLE)}", more)


def _measurement_violations(tables: Mapping[str, Table]) -> Iterator[Violation]:
    """A protein that must be rescaled and was never measured."""
    units = _datasets(tables[DATASETS])
    file = tables[MEASUREMENTS].path.name
    there = sorted(set(tables[MEASUREMENTS].frame["protein"].dropna()))
    for protein in PROTEINS:
        needed = [n for n in (dataset(protein, k) for k in PHASES) if units[n].unit != "sd"]
        if needed and protein not in there:
            expected = f"rows of {protein}, whose SD {needed[0]} needs"
            remedy = f"the proteins there are {there[:12]}"
            yield Violation(file, "protein", None, None, expected, remedy)


def _datasets(table: Table) -> dict[str, Dataset]:
    found = {}
    for name in ASSOCIATIONS:
        rows = _row_of(table, name)
        line = table.frame.iloc[rows[0]] if rows.size else pd.Series(dtype=object)
        n = float(line.get("n", np.nan))
        found[name] = Dataset(_text(line.get("unit")), n, _text(line.get("ancestry")).upper())
    return found


def _text(value: object) -> str:
    return value.strip().casefold() if isinstance(value, str) else ""


def _measured(table: Table, protein: str) -> Measurements:
    frame = table.frame[(table.frame["protein"] == protein).to_numpy()]
    value = frame["log10_concentration"].to_numpy(np.float64)
    there = np.isfinite(value) & frame["batch"].notna().to_numpy()
    frame = frame[there].sort_values(["batch", "log10_concentration"])
    batch = frame["batch"].to_numpy().astype(str)
    value = frame["log10_concentration"].to_numpy(np.float64)
    return Measurements(value, batch, _passed(frame), int((~there).sum()))


def _passed(frame: pd.DataFrame) -> BoolArray | None:
    """Measurements that no statement of quality control excludes; None without a statement."""
    stated = [frame[c] for c in ("qc_pass", "batch_status") if c in frame]
    if not stated or all(column.isna().all() for column in stated):
        return None
    passed = np.ones(len(frame), dtype=np.bool_)
    if "qc_pass" in frame:
        passed &= frame["qc_pass"].astype("boolean").fillna(True).to_numpy(dtype=bool)
    if "batch_status" in frame:
        status = frame["batch_status"].str.strip().str.casefold().map(USABLE)
        passed &= status.astype("boolean").fillna(True).to_numpy(dtype=bool)
    return passed
