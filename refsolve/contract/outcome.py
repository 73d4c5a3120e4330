"""What goes into a solver and what comes out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from refsolve.core.result import jsonable

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from refsolve.contract.decisions import Evidence
    from refsolve.contract.spec import ProblemSpec

T = TypeVar("T")
R = TypeVar("R")
# A mapper yields every result once, in any order; the builtin `map` is one.
Mapper = Callable[[Callable[[T], R], Iterable[T]], Iterator[R]]


@dataclass(frozen=True, slots=True)
class Case:
    """One instance of a problem, as the analyst gets it.

    Attributes
    ----------
    spec
        The problem's contract.
    folder
        Where the released files are.
    parameters
        Values given with the question.
    map_
        How independent items are mapped.
    """

    spec: ProblemSpec
    folder: Path
    parameters: Mapping[str, Any]
    map_: Mapper[Any, Any] = map


@dataclass(frozen=True, slots=True)
class Solution:
    """What `solve(case, path)` of a solver returns.

    Attributes
    ----------
    answer
        One value per answer key.
    intervals
        Confidence interval of numeric answers, where the method has one.
    diagnostics
        Plain numbers and strings that an expert would want to see.
    artefacts
        Fits and data for figures; never serialised.
    """

    answer: Mapping[str, Any]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    artefacts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A solved case.

    Attributes
    ----------
    problem
        Name of the problem.
    path
        Choice per decision.
    answer
        One value per answer key.
    intervals
        Confidence intervals.
    decisions
        Evidence in the order of the analysis.
    diagnostics
        Plain numbers and strings.
    seconds
        Wall time of the solver.
    artefacts
        Fits and data for figures.
    """

    problem: str
    path: dict[str, str]
    answer: dict[str, Any]
    intervals: dict[str, tuple[float, float]]
    decisions: tuple[Evidence, ...]
    diagnostics: dict[str, Any]
    seconds: float
    artefacts: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def reasoning(self) -> str:
        """The evidence of all decisions as one text."""
        return " ".join(item.because for item in self.decisions)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the artefacts, ready for JSON."""
        return {
            "schema": "refsolve.solve/1",
            "problem": self.problem,
            "answer": jsonable(self.answer),
            "reasoning": self.reasoning,
            "path": dict(self.path),
            "decisions": [
                {
                    "name": item.decision,
                    "choice": item.choice,
                    "kind": item.kind,
                    "evidence": {"because": item.because, **item.facts},
                }
                for item in self.decisions
            ],
            "intervals": jsonable(self.intervals),
            "diagnostics": jsonable(self.diagnostics),
            "seconds": self.seconds,
        }

    def envelope(self) -> str:
        """The answer file: `{"answer": …, "reasoning": …}`."""
        return (
            json.dumps({"answer": jsonable(self.answer), "reasoning": self.reasoning}, indent=2)
            + "\n"
        )

    def summary(self) -> str:
        """Answer, then one line per decision."""
        lines = [f"{self.problem} ({self.seconds:.2f} s)"]
        for key, value in self.answer.items():
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            span = self.intervals.get(key)
            lines.append(
                f"  {key} = {shown}" + (f"  [{span[0]:.6g}, {span[1]:.6g}]" if span else "")
            )
        lines += [f"  {d.decision} → {d.choice}: {d.because}" for d in self.decisions]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()


@dataclass(frozen=True, slots=True)
class GeneratedCase:
    """What a solver's `generate(knobs, rng)` returns.

    Attributes
    ----------
    tables
        Released files by stem, as `refsolve.io.write_table` takes them: a frame, arrays by name
        for an archive, values by name for JSON, or an AnnData object.
    answer
        The truth per answer key.
    tolerance
        Tolerances of this case; the problem's where absent.
    latent
        Anything else worth keeping beside the truth.
    """

    tables: Mapping[str, pd.DataFrame | Mapping[str, Any] | AnnData]
    answer: Mapping[str, Any]
    tolerance: Mapping[str, float] = field(default_factory=dict)
    latent: Mapping[str, Any] = field(default_factory=dict)
