"""A small case in memory, written to a folder as it is or after a change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refsolve.contract.discovery import Problem
from refsolve.contract.generating import draw
from refsolve.contract.outcome import Case, Outcome
from refsolve.contract.solving import open_case, solve_case

ROOT = Path(__file__).resolve().parents[3]
PROBLEM = Problem(ROOT / "solvers" / "wf_selection", "checkout")

Tables = dict[str, pd.DataFrame]

# Few chromosomes and few generations: the chain on counts takes milliseconds.
SMALL: dict[str, Any] = {
    "schedule": "constant",
    "size": 300,
    "generations": 30,
    "spacing": 3,
    "depth": 200.0,
    "start": 0.2,
    "shuffle": False,
}


def generated(seed: int = 1, **knobs: Any) -> Tables:
    """Tables of a small generated case."""
    return dict(draw(PROBLEM, seed, {**SMALL, **knobs}).tables)


def plain() -> Tables:
    """A case written by hand: both loci C to T, with row numbers that are easy to know."""
    generation = np.arange(0, 25, 4)
    series = pd.DataFrame(
        {
            "generation": generation,
            "alt_reads": [12, 15, 20, 24, 0, 33, 35],
            "total_reads": [40, 40, 40, 40, 0, 40, 40],
            "seq_error": 0.1,
            "sample_year": -20 * (24 - generation),
        }
    )
    other = series.assign(alt_reads=[12, 13, 12, 11, 0, 14, 12])
    alleles = pd.DataFrame(
        {"locus": ["A", "B"], "ref": ["C", "C"], "alt": ["T", "T"], "ancestral": ["C", "C"]}
    )
    sizes = pd.DataFrame({"generation": np.arange(25), "Ne": 100})
    return {
        "locus_A_timeseries": series,
        "locus_B_timeseries": other,
        "variant_info": alleles,
        "Ne_schedule": sizes,
    }


def intervals(*rows: tuple[int, int, int]) -> pd.DataFrame:
    """A schedule by interval."""
    return pd.DataFrame(rows, columns=["generation_start", "generation_end", "Ne"])


def opened(folder: Path, tables: Tables, **parameters: Any) -> Case:
    """The tables as a case in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.tsv.gz", sep="\t", index=False, na_rep="NA")
    return open_case(PROBLEM, folder, parameters)


def solved(folder: Path, tables: Tables, **path: str) -> Outcome:
    """The tables solved along a path."""
    return solve_case(PROBLEM, opened(folder, tables), path)


def with_cell(tables: Tables, name: str, index: int, column: str, value: Any) -> Tables:
    """The tables with one field changed; record `index` stands in line `index` + 2."""
    frame = tables[name].astype({column: object})
    frame.loc[index, column] = value
    return {**tables, name: frame}
