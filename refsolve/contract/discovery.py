"""Finding solver folders and loading what is in them.

A solver is a folder with `problem.toml`. Folders are looked for, in this order, where the user
says (`--solvers`, or the environment variable `REFSOLVE_SOLVERS`), where other packages announce
them (entry points of the group `refsolve.solvers`), in the checkout, and inside the installed
package. A name that is found twice belongs to the first.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from refsolve.contract.decisions import Alternative, Decision, Lattice
from refsolve.contract.spec import ProblemSpec, load_spec
from refsolve.core.errors import RefsolveError, UsageError

ENVIRONMENT = "REFSOLVE_SOLVERS"
ENTRY_POINTS = "refsolve.solvers"
# Parts of the package that numbers depend on; how they are asked for and mapped changes none.
DECIDING = ("core", "numerics", "io", "methods", "contract")


@dataclass(frozen=True)
class Problem:
    """A solver folder, loaded piece by piece when asked.

    Attributes
    ----------
    folder
        Where it is.
    origin
        How it was found: `user`, `plugin NAME`, `checkout`, or `installed`.
    """

    folder: Path
    origin: str = "user"

    @property
    def name(self) -> str:
        """Name of the problem: that of its folder."""
        return self.folder.name

    @cached_property
    def spec(self) -> ProblemSpec:
        """The validated `problem.toml`."""
        spec = load_spec(self.folder / "problem.toml")
        if spec.name != self.name:
            raise UsageError(
                f"{self.folder / 'problem.toml'}: name is {spec.name!r}, the folder {self.name!r}."
            )
        return spec

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """`DECISIONS` of `solve.py`, in the order of the analysis."""
        found: tuple[Decision, ...] = tuple(self.module("solve").DECISIONS)
        for item in found:
            if not isinstance(item, Decision):
                raise UsageError(f"{self.name}: {item!r} in DECISIONS is not marked @decision.")
        keys, listed = [d.key for d in found], [d.key for d in self.spec.decision]
        if keys != listed:
            raise UsageError(f"{self.name}: solve.py decides {keys}, problem.toml lists {listed}.")
        return found

    @cached_property
    def lattice(self) -> Lattice:
        """All choices of all decisions."""
        ablations = vars(self.module("ablations")).values()
        alternatives = [item for item in ablations if isinstance(item, Alternative)]
        references = {d.key: d.reference for d in self.spec.decision}
        lattice = Lattice(self.decisions, references, alternatives)
        for item in self.spec.decision:
            for name in item.harmless:
                if lattice.kind(lattice.path({item.key: name})) != "wrong":
                    raise UsageError(f"{self.name}: harmless names {name!r}, which is not wrong.")
        return lattice

    def module(self, name: str) -> ModuleType:
        """A Python file of the folder as a module; files may import each other relatively.

        Parameters
        ----------
        name
            `solve`, `ablations`, `generate`, or `figures`.
        """
        if not (self.folder / f"{name}.py").is_file():
            raise UsageError(f"{self.name}: {name}.py is absent from {self.folder}.")
        return importlib.import_module(f"{self._package()}.{name}")

    def has(self, name: str) -> bool:
        """Whether the folder has this Python file."""
        return (self.folder / f"{name}.py").is_file()

    def _package(self) -> str:
        # Two folders of the same name must not share modules, hence the path in the package name.
        folder = self.folder.resolve()
        package = f"_refsolve_{self.name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        if package not in sys.modules:
            spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
            made = importlib.util.module_from_spec(spec)
            made.fingerprint = self._hash()  # type: ignore[attr-defined]
            sys.modules[package] = made
        return package

    def __reduce__(self) -> tuple[object, ...]:
        # Another process loads the files itself: it cannot import their modules by name.
        return Problem, (self.folder, self.origin)

    def fingerprint(self) -> str:
        """Hash of everything that decides what the solver computes, as first loaded here."""
        return str(sys.modules[self._package()].fingerprint)

    def _hash(self) -> str:
        digest = hashlib.sha256()
        package = Path(__file__).resolve().parent.parent
        shared = [p for part in DECIDING for p in sorted((package / part).rglob("*.py"))]
        own = sorted([*self.folder.glob("*.py"), self.folder / "problem.toml"])
        # Neither names nor order depend on where the two are installed.
        for source in [*shared, *own]:
            digest.update(source.name.encode() + source.read_bytes())
        return digest.hexdigest()[:16]


def discover(solvers: Sequence[Path | str] = ()) -> dict[str, Problem]:
    """All problems by name.

    Parameters
    ----------
    solvers
        Folders of solver folders (or solver folders themselves) that come first.
    """
    found: dict[str, Problem] = {}
    for root, origin in _roots(solvers):
        for folder in _solver_folders(root):
            found.setdefault(folder.name, Problem(folder, origin))
    return dict(sorted(found.items()))


def find_problem(name: str | Path | Problem, solvers: Sequence[Path | str] = ()) -> Problem:
    """The problem of this name, or in this folder.

    Parameters
    ----------
    name
        Name, a path to a solver folder, or a problem already found.
    solvers
        Folders to look in first.

    Raises
    ------
    UsageError
        There is none; near misses are named.
    """
    if isinstance(name, Problem):
        return name
    name = os.path.abspath(name) if isinstance(name, Path) else name
    if os.sep in name and (Path(name) / "problem.toml").is_file():
        # The folder's name is the problem's name, also where it is written as `./`.
        return Problem(Path(os.path.abspath(name)))
    known = discover(solvers)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known) or 'none'}."
        raise UsageError(f"No problem is called {name!r}.", hint=hint)
    return known[name]


def broken_plugins() -> dict[str, str]:
    """Entry points that could not be loaded, with the reason."""
    return {name: str(root) for name, root in _plugins() if isinstance(root, Exception)}


def _roots(solvers: Sequence[Path | str]) -> Iterator[tuple[Path, str]]:
    for chosen in [*solvers, *filter(None, os.environ.get(ENVIRONMENT, "").split(os.pathsep))]:
        if not Path(chosen).is_dir():
            raise UsageError(
                f"{chosen} is not a folder of solvers.", hint=f"Check --solvers and {ENVIRONMENT}."
            )
        yield Path(os.path.abspath(chosen)), "user"
    for name, root in _plugins():
        if isinstance(root, Path):
            yield root, f"plugin {name}"
    package = Path(__file__).resolve().parent.parent
    if (package.parent / "pyproject.toml").is_file():
        yield package.parent / "solvers", "checkout"
    yield package / "_solvers", "installed"


def _solver_folders(root: Path) -> Iterator[Path]:
    if (root / "problem.toml").is_file():
        yield root
    elif root.is_dir():
        yield from (p.parent for p in sorted(root.glob("*/problem.toml")))


def _plugins() -> Iterator[tuple[str, Path | Exception]]:
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        try:
            yield entry.name, _plugin_folder(entry.load())
        except Exception as broken:  # a plugin must never break the catalogue; doctor reports it
            yield entry.name, broken


def _plugin_folder(announced: Any) -> Path:
    if isinstance(announced, ModuleType):
        announced = (
            announced.__path__[0]
            if hasattr(announced, "__path__")
            else Path(str(announced.__file__)).parent
        )
    folder = Path(announced() if callable(announced) else announced)
    if not folder.is_dir():
        raise RefsolveError(f"{folder} is not a folder")
    return folder
