"""Installed packages against what this version of refsolve asks for."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import refsolve
from refsolve.cli.finding import Finding

# Extras for those who develop refsolve; nobody else misses them.
DEVELOPMENT = {"dev", "test", "docs", "browser", "peers"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Requirements: Python, the core, and the extras by name."""

    python: str
    core: list[str]
    extras: dict[str, list[str]]


def asked() -> Asked:
    """What the checkout or, without one, the installed package asks for."""
    project = Path(refsolve.__file__).parent.parent / "pyproject.toml"
    if project.is_file():
        table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        return Asked(
            table["requires-python"], table["dependencies"], table["optional-dependencies"]
        )
    return _installed(metadata.metadata("refsolve"))


def _installed(about: Any) -> Asked:
    from packaging.requirements import Requirement

    lines = about.get_all("Requires-Dist") or []
    core = [line for line in lines if "extra ==" not in line]
    extras = {
        extra: [line for line in lines if "extra ==" in line and _applies(Requirement(line), extra)]
        for extra in about.get_all("Provides-Extra") or []
    }
    return Asked(about["Requires-Python"], core, extras)


def _applies(requirement: Any, extra: str) -> bool:
    return requirement.marker is None or bool(requirement.marker.evaluate({"extra": extra}))


def packages() -> Iterator[Finding]:
    """Python, every package of the core, and the extras that are missing."""
    from packaging.specifiers import SpecifierSet

    wanted = asked()
    version = platform.python_version()
    good = SpecifierSet(wanted.python).contains(version, prereleases=True)
    yield _version("Python", version, wanted.python, good)
    yield Finding("packages", "refsolve", refsolve.__version__)
    yield from map(_package, wanted.core)
    majors = {name: _major(name) for name in ("numpy", "pandas")}
    text = ", ".join(f"{name} {major}" for name, major in majors.items())
    yield Finding("packages", "combination", text)
    for extra in sorted(set(wanted.extras) - DEVELOPMENT):
        yield _extra(extra, wanted.extras[extra])


def _version(name: str, found: str, range_: str, good: bool) -> Finding:
    value = f"{found} ({range_})" if range_ else found
    if good:
        return Finding("packages", name, value)
    return Finding("packages", name, value, "bad", f"Install {name} {range_}.")


def _package(line: str) -> Finding:
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    found = _found(requirement.name)
    if found is None:
        remedy = f"pip install '{requirement.name}{requirement.specifier}'"
        return Finding("packages", requirement.name, "absent", "bad", remedy)
    good = requirement.specifier.contains(found, prereleases=True)
    return _version(requirement.name, found, str(requirement.specifier), good)


def _extra(extra: str, lines: list[str]) -> Finding:
    from packaging.requirements import Requirement

    names = [Requirement(line).name for line in lines]
    there = {name: found for name in names if (found := _found(name))}
    value = ", ".join(
        f"{name} {there[name]}" if name in there else f"{name} absent" for name in names
    )
    if len(there) == len(names):
        return Finding("extras", extra, value)
    return Finding("extras", extra, value, "note", f"pip install 'refsolve[{extra}]'")


def _found(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _major(name: str) -> str:
    return (_found(name) or "absent").partition(".")[0]
