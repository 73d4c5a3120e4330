"""The released files as they enter the analysis, and the checks that need both of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import InputError, Violation
from refsolve.core.extras import require
from refsolve.io import Table, read_tables

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CELLS, QUESTION = "cells", "question"
CONDITIONS = ("condition_reference", "condition_test")
BATCH, OTHERS = ("batch",), ("sex", "age")
EXTRA = "singlecell"
MOST = 12  # words that a message lists
WHOLE = "a count: a whole number of at least 0"


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything the analyst is given, of the cells that are compared.

    Attributes
    ----------
    values
        (cells, genes), sparse or dense.
    counts
        Whether these are counts; scores otherwise.
    source
        `X` or the layer they are from.
    genes
        Names of the genes.
    obs
        Donor and condition of every cell.
    samples
        One row per donor and condition, in this order, with the covariates that hold for it.
    reference, test
        Words of the two conditions.
    left_out
        Covariates that cannot be used for this file, each with the reason.
    set_aside
        Cells that are not compared, by reason.
    gene_set, absent
        Genes asked for, and those among them that the file lacks.
    """

    values: Any
    counts: bool
    source: str
    genes: NDArray[np.object_]
    obs: pd.DataFrame
    samples: pd.DataFrame
    reference: str
    test: str
    left_out: dict[str, str]
    set_aside: dict[str, int]
    gene_set: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def paired(self) -> bool:
        """Whether every donor gives a sample of either condition."""
        return bool(self.samples["donor"].duplicated().any())

    @property
    def treated(self) -> BoolArray:
        """Cells of the test condition."""
        return (self.obs["condition"] == self.test).to_numpy(dtype=bool)

    def donors(self, condition: str) -> int:
        """Donors with cells in a condition."""
        return int((self.samples["condition"] == condition).sum())


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    cells, asked = tables[CELLS], tables[QUESTION].fields
    violations = [*_word_violations(cells, tables[QUESTION])]
    names, layers = _contents(cells.path)
    violations += [
        *_layer_violations(tables[QUESTION], cells, layers),
        *_gene_violations(tables[QUESTION], cells, names),
    ]
    if violations:
        raise InputError(violations)
    kept, set_aside = _compared(cells.frame, asked)
    violations = [*_empty_violations(cells, asked, kept), *_pair_violations(cells, kept)]
    if violations:
        raise InputError(violations)
    source = str(asked["layer"] or "X")
    values = _values(cells.path, source)
    bad = list(_value_violations(cells, asked, values, names))
    if bad:
        raise InputError(bad)
    frame = cells.frame[kept].reset_index(drop=True)
    obs = frame[["donor", "condition"]].astype(object)
    samples, left_out = _samples(frame)
    wanted = tuple(dict.fromkeys(asked["gene_set"]))
    known = set(names.tolist())
    return Study(
        values[np.flatnonzero(kept)],
        asked["value_kind"] == "counts",
        source,
        names,
        obs,
        samples,
        asked[CONDITIONS[0]],
        asked[CONDITIONS[1]],
        left_out,
        set_aside,
        wanted,
        tuple(name for name in wanted if name not in known),
    )


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
    return ", ".join(repr(word) for word in words[:MOST]) + more


def _word_violations(cells: Table, question: Table) -> Iterator[Violation]:
    """Conditions and cell types that no cell has."""
    asked, file = question.fields, question.path.name
    if asked[CONDITIONS[0]] == asked[CONDITIONS[1]]:
        expected = f"another condition than {CONDITIONS[0]}"
        yield Violation(file, CONDITIONS[1], None, asked[CONDITIONS[1]], expected)
    columns = dict.fromkeys(CONDITIONS, "condition") | {"cell_type": "cell_type"}
    for name, column in columns.items():
        word = asked[name]
        if word is None:
            continue
        if column not in cells.frame:
            expected = f"a column of this name, because {file} asks for {column} {word!r}"
            yield Violation(cells.path.name, column, None, None, expected, "annotate the cells")
            continue
        there = sorted(set(cells.frame[column].dropna()))
        if word not in there:
            expected = f"a word of column {column!r} of {cells.path.name}"
            yield Violation(file, name, None, word, expected, f"there are {_listed(there)}")


def _layer_violations(question: Table, cells: Table, layers: list[str]) -> Iterator[Violation]:
    source = question.fields["layer"] or "X"
    if source not in layers:
        expected = f"a layer of {cells.path.name}" if source != "X" else "a layer, as there is no X"
        remedy = f"there are {_listed(sorted(layers))}"
        yield Violation(
            question.path.name, "layer", None, question.fields["layer"], expected, remedy
        )


def _gene_violations(
    question: Table, cells: Table, names: NDArray[np.object_]
) -> Iterator[Violation]:
    wanted = question.fields["gene_set"]
    if not wanted:
        return
    if set(wanted).isdisjoint(names.tolist()):
        expected = f"a name of a gene in {cells.path.name}"
        like = _listed(names[:3].tolist())
        remedy = f"none of the {len(wanted)} is there; genes are named like {like}"
        yield Violation(question.path.name, "gene_set", None, wanted[0], expected, remedy)
    twice = pd.Index(names)[pd.Index(names).duplicated()]
    for name in [name for name in wanted if name in twice][:1]:
        expected, remedy = "one gene of this name", "name the genes of the file apart"
        yield Violation(cells.path.name, "var_names", None, name, expected, remedy)


def _compared(frame: pd.DataFrame, asked: Mapping[str, Any]) -> tuple[BoolArray, dict[str, int]]:
    """Cells that are compared, and the others by the first reason that applies."""
    words = [asked[name] for name in CONDITIONS]
    reasons = {
        "without donor": frame["donor"].isna(),
        "without condition": frame["condition"].isna(),
        "of other conditions": ~frame["condition"].isin(words),
    }
    if asked["cell_type"] is not None:
        reasons["without cell type"] = frame["cell_type"].isna()
        reasons["of other cell types"] = frame["cell_type"] != asked["cell_type"]
    kept, set_aside = np.ones(len(frame), dtype=np.bool_), {}
    for reason, wrong in reasons.items():
        lost = kept & wrong.fillna(True).to_numpy(dtype=bool)
        set_aside[reason] = int(lost.sum())
        kept &= ~lost
    return kept, {reason: count for reason, count in set_aside.items() if count}


def _empty_violations(
    cells: Table, asked: Mapping[str, Any], kept: BoolArray
) -> Iterator[Violation]:
    present = set(cells.frame["condition"][kept])
    of = f" and cell_type {asked['cell_type']!r}" if asked["cell_type"] is not None else ""
    for name in CONDITIONS:
        if asked[name] not in present:
            expected = f"cells of condition {asked[name]!r}{of} whose donor is known"
            yield Violation(cells.path.name, "condition", None, None, expected, "there is none")


def _pair_violations(cells: Table, kept: BoolArray) -> Iterator[Violation]:
    """Donors in both conditions, unless all of them are."""
    frame = cells.frame[kept]
    conditions = frame.groupby("donor")["condition"].nunique()
    both = conditions.index[conditions > 1].tolist()
    if not both or len(both) == len(conditions):
        return
    own = np.flatnonzero(kept & (cells.frame["donor"] == both[0]).to_numpy(dtype=bool))
    words = cells.frame["condition"].to_numpy()[own]
    i = int(own[np.argmax(words != words[0])])
    expected = f"{words[0]!r}, the condition of the other cells of donor {both[0]!r}"
    remedy = (
        f"{len(both)} of {len(conditions)} donors are in both conditions; a paired design needs "
        "all of them in both, any other none"
    )
    yield Violation(
        cells.path.name, "condition", int(cells.rows[i]), str(cells.frame["condition"].iloc[i]),
        expected, remedy,
    )  # fmt: skip


def _contents(path: Path) -> tuple[NDArray[np.object_], list[str]]:
    """Names of the genes, and the places where values are."""
    h5py, element = require("h5py", EXTRA), require("anndata.io", EXTRA)
    with h5py.File(path, "r") as file:
        names = element.read_elem(file["var"]).index
        there = list(file.get("layers", {}))
        if "X" in file and str(file["X"].attrs.get("encoding-type")) != "null":
            there.append("X")
    return np.array([str(name) for name in names], dtype=object), there


def _values(path: Path, source: str) -> Any:
    h5py, element = require("h5py", EXTRA), require("anndata.io", EXTRA)
    with h5py.File(path, "r") as file:
        values = element.read_elem(file["X"] if source == "X" else file["layers"][source])
    return values.tocsr() if hasattr(values, "tocsr") else np.asarray(values)


def _value_violations(
    cells: Table, asked: Mapping[str, Any], values: Any, names: NDArray[np.object_]
) -> Iterator[Violation]:
    """Counts that are none, and scores that are no numbers."""
    sparse, source = hasattr(values, "indptr"), asked["layer"] or "X"
    entries = values.data if sparse else values.ravel()
    bad = ~np.isfinite(entries)
    if asked["value_kind"] == "counts" and entries.dtype.kind == "f":
        bad |= (entries < 0) | (entries != np.rint(entries))
    elif asked["value_kind"] == "counts":
        bad |= entries < 0
    if not bad.any():
        return
    k = int(np.argmax(bad))
    cell = int(np.searchsorted(values.indptr, k, "right")) - 1 if sparse else k // values.shape[1]
    gene = names[values.indices[k] if sparse else k % values.shape[1]]
    counts = asked["value_kind"] == "counts"
    remedy = "name the layer of the raw counts, or declare value_kind 'score'" if counts else ""
    more = f"{int(bad.sum()) - 1} more values are wrong in the same way" if bad.sum() > 1 else ""
    expected = f"{WHOLE if counts else 'a finite number'} (gene {gene!r})"
    advice = "; ".join(part for part in (remedy, more) if part)
    row = int(cells.rows[cell])
    yield Violation(cells.path.name, source, row, float(entries[k]), expected, advice)


def _samples(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Donors and conditions with the covariates that are one value for each of them."""
    groups = frame.groupby(["donor", "condition"], sort=True, observed=True)
    samples = groups.size().rename("cells").reset_index()
    left_out: dict[str, str] = {}
    for name in (*BATCH, *OTHERS):
        if name not in frame:
            continue
        distinct, first = groups[name].nunique().to_numpy(), groups[name].first().to_numpy()
        if (distinct > 1).any():
            donor = samples["donor"][int(np.argmax(distinct > 1))]
            left_out[name] = f"it varies within donor {donor!r}"
        elif (distinct == 0).all():
            left_out[name] = "it is missing throughout"
        elif (distinct == 0).any():
            donor = samples["donor"][int(np.argmax(distinct == 0))]
            left_out[name] = f"it is unknown for donor {donor!r}"
        else:
            samples[name] = first
    return samples, left_out
