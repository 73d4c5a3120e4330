from __future__ import annotations

import json
import sys

import pytest

from refsolve.core.errors import MissingDependencyError
from refsolve.core.extras import require


def test_returns_the_module():
    assert require("json", "none") is json


def test_an_absent_package_is_named_with_its_extra():
    with pytest.raises(MissingDependencyError, match="no_such_package is needed") as caught:
        require("no_such_package.part", "dask")
    assert caught.value.hint == "Install it with: pip install 'refsolve[dask]'"
    assert caught.value.exit_code == 4


def test_what_an_installed_package_misses_is_named(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import its_own_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match="^its_own_dependency is needed"):
        require("half_installed", "dask")
    assert "half_installed" not in sys.modules


def test_a_package_that_breaks_otherwise_is_not_reported_as_absent(tmp_path, monkeypatch):
    (tmp_path / "broken_inside.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        require("broken_inside", "dask")
