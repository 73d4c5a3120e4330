"""`generate`: a case and its truth from one seed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsolve.contract.discovery import Problem, find_problem
from refsolve.contract.values import coerce
from refsolve.core.errors import UsageError
from refsolve.core.files import write_atomic
from refsolve.core.result import jsonable
from refsolve.core.rng import as_generator

if TYPE_CHECKING:
    from refsolve.contract.outcome import GeneratedCase


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
    case = draw(found, seed, knobs or {})
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty.", hint="Name a new folder.")
    write_case(found, case, target, seed=seed, knobs=knobs or {})
    return target


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
    defaults = {k.key: k.default for k in knob_fields(problem)}
    made = module.generate(module.Knobs(**coerce(knobs, defaults, "knob")), as_generator(seed))
    expected = {a.key for a in problem.spec.answer}
    if set(made.answer) != expected:
        raise UsageError(
            f"{problem.name}: generate.py answers {sorted(made.answer)}, "
            f"problem.toml asks {sorted(expected)}."
        )
    return made  # type: ignore[no-any-return]


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
    folder.mkdir(parents=True, exist_ok=True)
    formats = {stem: table.format for table in problem.spec.file for stem in table.files}
    for stem, frame in case.tables.items():
        content = _table_bytes(frame, formats[stem])
        write_atomic(
            folder / f"{stem}.{'npz' if formats[stem] == 'npz' else formats[stem] + '.gz'}", content
        )
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


def _table_bytes(frame: Any, kind: str) -> bytes:
    import gzip
    import io

    if kind == "npz":
        import numpy as np

        stream = io.BytesIO()
        np.savez_compressed(stream, **{c: frame[c].to_numpy() for c in frame.columns})
        return stream.getvalue()
    text = frame.to_csv(sep="\t" if kind == "tsv" else ",", index=False, lineterminator="\n")
    # A fixed time stamp makes the same case the same bytes.
    return gzip.compress(text.encode(), mtime=0)
