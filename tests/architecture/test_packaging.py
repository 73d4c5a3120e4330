"""What is installed: versions agree, requirements are pinned, the wheel brings the solvers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import refsolve
from tests.architecture.tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOLVERS = sorted(path.parent.name for path in (ROOT / "solvers").glob("*/problem.toml"))


def first_match(pattern: str, name: str) -> str:
    match = re.search(pattern, (ROOT / name).read_text(), re.MULTILINE)
    assert match, f"{name} has no line like {pattern}"
    return match.group(1)


def test_versions_agree() -> None:
    stated = {
        "refsolve.__version__": refsolve.__version__,
        "CHANGELOG.md": first_match(r"^## (\d\S*)", "CHANGELOG.md"),
        "CITATION.cff": first_match(r"^version: (\S+)", "CITATION.cff"),
    }
    assert stated == dict.fromkeys(stated, PROJECT["version"])


def requirements(extra: str | None) -> Iterator[Requirement]:
    """Requirements of the core or of an extra, with the extras that it names in turn."""
    listed = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, listed):
        if requirement.name == PROJECT["name"]:
            for inner in sorted(requirement.extras):
                yield from requirements(inner)
        else:
            yield requirement


def pins() -> dict[str, set[Version]]:
    """Pinned versions by name: several where Python versions differ."""
    pinned: dict[str, set[Version]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        name = canonicalize_name(requirement.name)
        pinned.setdefault(name, set()).add(Version(specifier.version))
    return pinned


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_requirements_are_pinned(extra: str | None) -> None:
    pinned = pins()
    wanted = list(requirements(extra))
    assert wanted
    for requirement in wanted:
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} has no pin: constraints.txt is out of date"
        assert all(map(requirement.specifier.contains, versions)), requirement


def test_the_core_is_light() -> None:
    names = {requirement.name for requirement in requirements(None)}
    assert names.isdisjoint({"anndata", "cooler", "dask", "msprime", "scanpy", "statsmodels"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = folder.glob("refsolve-*.whl")
    return path


def test_wheel_holds_the_package_and_the_solvers(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"refsolve", f"refsolve-{PROJECT['version']}.dist-info"}
    assert SOLVERS
    wanted = {f"refsolve/_solvers/{solver}/problem.toml" for solver in SOLVERS}
    assert wanted | {"refsolve/py.typed"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".ipynb")]


def test_wheel_finds_its_solvers_far_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    run = subprocess.run(
        [sys.executable, "-c", "import refsolve.cli.main as cli; cli.main()", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert [name for name in SOLVERS if name not in run.stdout] == []
