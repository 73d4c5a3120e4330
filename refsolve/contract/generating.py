"""`generate`: a case and its truth from one seed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsolve.contract.discovery import Problem, find_problem
from refsolve.contract.grading import plain
from refsolve.contract.published import spec_rules, truth_violations
from refsolve.contract.values import coerce
from refsolve.core.errors import InputError, UsageError
from refsolve.core.files import write_atomic
from refsolve.core.result import jsonable
from refsolve.core.rng import as_generator

if TYPE_CHECKING:
    from refsolve.contract.outcome import GeneratedCase

SUFFIX = {"tsv": "tsv.gz", "csv": "csv.gz"}


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting of a generator."""

    key: str
    default: Any
    description: str


def knob_fields(problem: Problem) -> tuple[Knob, ...]:
    """Settings of the generator of a problem, from the fields of its `Knobs`.

    Parameters
    ----------
    problem
        The problem.
    """
    fields = dataclasses.fields(problem.module("generate").Knobs)
    return tuple(Knob(f.name, f.default, f.metadata.get("doc", "")) for f in fields)


def generate(
    problem: str | Problem,
    folder: Path | str,
    *,
    seed: int | None = None,
    knobs: Mapping[str, Any] | None = None,
    solvers: Sequence[Path | str] = (),
) -> Path:
    """Write the released files of a case and, beside them, `truth.json`.

    Parameters
    ----------
    problem
        Name or folder.
    folder
        Where to write; made when absent, refused when it holds another case.
    seed
        Seed of everything random; the example seed of the problem when absent.
    knobs
        Settings of the generator that differ from the default.
    solvers
        Folders to look in first.

    Returns
    -------
    The folder.
    """
    found = find_problem(problem, solvers)
    seed = found.spec.seeds.example if seed is None else seed
    chosen = clean_knobs(found, knobs or {})
    case = draw(found, seed, chosen)
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty.", hint="Name a new folder.")
    write_case(found, case, target, seed=seed, knobs=chosen)
    return target


def clean_knobs(problem: Problem, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs as values of the types that the generator expects.

    Parameters
    ----------
    problem
        The problem.
    knobs
        Settings that differ from the default, as values or texts.
    """
    return coerce(knobs, {k.key: k.default for k in knob_fields(problem)}, "knob")


def draw(problem: Problem, seed: int, knobs: Mapping[str, Any]) -> GeneratedCase:
    """A case in memory.

    Parameters
    ----------
    problem
        The problem.
    seed
        Seed of everything random.
    knobs
        Settings that differ from the default, as values or texts.
    """
    if seed < 0:
        raise UsageError(f"The seed {seed} is negative.", hint="Use 0 or more.")
    module = problem.module("generate")
    made: GeneratedCase = module.generate(
        module.Knobs(**clean_knobs(problem, knobs)), as_generator(seed)
    )
    _check_drawn(problem, made)
    made = dataclasses.replace(made, answer=plain(made.answer), tolerance=plain(made.tolerance))
    unfit = truth_violations("generate.py", "answer", spec_rules(problem.spec, made.answer, {}))
    if unfit:
        raise InputError(unfit)
    return made


def _check_drawn(problem: Problem, made: GeneratedCase) -> None:
    expected = {a.key for a in problem.spec.answer}
    if set(made.answer) != expected:
        raise UsageError(
            f"{problem.name}: generate.py answers {sorted(made.answer)}, "
            f"problem.toml asks {sorted(expected)}."
        )
    needed = {stem for table in problem.spec.file if not table.optional for stem in table.files}
    known = {stem for table in problem.spec.file for stem in table.files}
    if not needed <= set(made.tables) <= known:
        raise UsageError(
            f"{problem.name}: generate.py makes the tables {sorted(made.tables)}, "
            f"problem.toml lists {sorted(known)}."
        )


def write_case(
    problem: Problem, case: GeneratedCase, folder: Path, *, seed: int, knobs: Mapping[str, Any]
) -> None:
    """Write files and truth; `truth.json` comes last, so its presence means a whole case.

    Parameters
    ----------
    problem
        The problem.
    case
        What was drawn.
    folder
        Where to write.
    seed, knobs
        How it was drawn, kept in `truth.json`.
    """
    from refsolve.io import write_table

    folder.mkdir(parents=True, exist_ok=True)
    formats = {stem: table.format for table in problem.spec.file for stem in table.files}
    for stem, content in case.tables.items():
        suffix = SUFFIX.get(formats[stem], formats[stem])
        write_table(folder / f"{stem}.{suffix}", content)
    truth = {
        "answer": jsonable(case.answer),
        "tolerance": {a.key: a.tolerance for a in problem.spec.answer if a.tolerance}
        | dict(case.tolerance),
        "problem": problem.name,
        "seed": seed,
        "knobs": jsonable(dict(knobs)),
        "latent": jsonable(dict(case.latent)),
    }
    write_atomic(folder / "truth.json", json.dumps(truth, indent=2) + "\n")
