"""Finished work of a certification, kept so that a kill at any moment loses none of it.

One SQLite file: a result is committed in one transaction or not at all. Only the process that
collects results writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from refsolve.core.errors import UsageError

NAME = "work.sqlite"
NULL = "null answer"  # instead of a path


@dataclass(frozen=True, slots=True)
class Cell:
    """One generated case solved along one path.

    Attributes
    ----------
    seed
        Seed of the case.
    path
        Deviations as sorted `decision=choice` pairs; empty for the reference.
    passed
        Whether every key passed.
    errors
        Signed error per numeric key.
    covered
        Whether the interval covers the truth, per key that has one.
    tolerances
        Largest error in tolerance units; None where an exact key is wrong or nothing was answered.
    seconds
        Wall time.
    trouble
        Why there is no answer.
    """

    seed: int
    path: str
    passed: bool
    errors: dict[str, float]
    covered: dict[str, bool]
    tolerances: float | None
    seconds: float
    trouble: str = ""


class Ledger:
    """Cells of one certification on disk, or in memory without a folder.

    Parameters
    ----------
    folder
        Where `work.sqlite` is or will be; None keeps everything in memory.
    identity
        What makes cells comparable: problem, sources, knobs.
    resume
        Go on with what is there; without it, existing work is refused.
    """

    def __init__(self, folder: Path | None, identity: dict[str, Any], *, resume: bool) -> None:
        path = folder / NAME if folder else None
        if path and path.exists() and not resume:
            raise UsageError(
                f"{path} holds earlier work.", hint="Pass --resume to go on, or name a new folder."
            )
        self.base = sqlite3.connect(path or ":memory:")
        try:
            self._agree(json.dumps(identity, sort_keys=True), path)
        except BaseException as broken:
            self.base.close()
            if not isinstance(broken, sqlite3.DatabaseError):
                raise
            raise UsageError(f"{path} is not the work of a certification ({broken}).") from broken

    def _agree(self, identity: str, path: Path | None) -> None:
        self.base.execute("create table if not exists meta (identity text)")
        self.base.execute(
            "create table if not exists cell "
            "(seed integer, path text, body text, primary key (seed, path))"
        )
        row = self.base.execute("select identity from meta").fetchone()
        if row is None:
            with self.base:
                self.base.execute("insert into meta values (?)", (identity,))
        elif row[0] != identity:
            raise UsageError(
                f"{path} belongs to another problem, other knobs, or other sources.",
                hint="Name a new folder: results of different code must not be mixed.",
            )

    def done(self) -> set[tuple[int, str]]:
        """Seed and path of every finished cell."""
        return {(seed, path) for seed, path in self.base.execute("select seed, path from cell")}

    def add(self, cells: Iterable[Cell]) -> None:
        """Keep finished cells, all or none of them.

        Parameters
        ----------
        cells
            What a task returned.
        """
        with self.base:
            self.base.executemany(
                "insert or replace into cell values (?, ?, ?)",
                [(c.seed, c.path, json.dumps(asdict(c))) for c in cells],
            )

    def cells(self, seeds: Iterable[int]) -> list[Cell]:
        """Finished cells of these seeds, in the order of seed and path.

        Parameters
        ----------
        seeds
            Which seeds.
        """
        wanted = set(seeds)
        rows = self.base.execute("select seed, body from cell order by seed, path")
        return [Cell(**json.loads(body)) for seed, body in rows if seed in wanted]

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.base.close()


def path_text(deviations: Mapping[str, str]) -> str:
    """Deviations as one canonical text; empty for the reference.

    Parameters
    ----------
    deviations
        Choice per decision.
    """
    return ", ".join(f"{key}={name}" for key, name in deviations.items())


def path_of(text: str) -> dict[str, str]:
    """Deviations of a canonical text.

    Parameters
    ----------
    text
        As `path_text` makes it.
    """
    return dict(item.split("=", 1) for item in text.split(", ")) if text else {}
