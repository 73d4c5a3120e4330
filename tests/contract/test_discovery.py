from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import pytest

from refsolve.contract import discovery
from refsolve.contract.catalogue import describe, list_problems
from refsolve.contract.discovery import Problem, broken_plugins, discover, find_problem
from refsolve.core.errors import InputError, UsageError


@pytest.fixture
def place(toy, tmp_path, monkeypatch):
    """Put a copy of the toy into a folder; nothing but what a test sets up is found."""
    monkeypatch.delenv("REFSOLVE_SOLVERS")
    monkeypatch.setattr(discovery, "__file__", str(tmp_path / "lib/refsolve/contract/discovery.py"))

    def put(root: str, name: str = "coin") -> Path:
        target = tmp_path / root / name
        shutil.copytree(toy / "coin", target, ignore=shutil.ignore_patterns("__pycache__"))
        spec = target / "problem.toml"
        spec.write_text(spec.read_text().replace('name = "coin"', f'name = "{name}"', 1))
        return target

    return put


@pytest.fixture
def announce(tmp_path, monkeypatch):
    """Install a distribution that announces a folder of solvers."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, value: str, code: str = "") -> Path:
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[refsolve.solvers]\n{name} = {value}\n")
        (site / name).mkdir(exist_ok=True)
        (site / name / "__init__.py").write_text(code)
        return site / name

    yield install
    for package in site.iterdir():
        sys.modules.pop(package.name, None)


def origins(solvers=()) -> dict[str, str]:
    return {name: problem.origin for name, problem in discover(solvers).items()}


def test_nothing_is_found_where_there_is_nothing(place):
    assert discover() == {}
    with pytest.raises(UsageError, match=r"^No problem is called 'coin'. Known: none.$"):
        find_problem("coin")


def test_a_folder_of_solvers_and_a_solver_folder_are_both_taken(place, tmp_path):
    put = place("mine")
    (tmp_path / "mine" / "notes").mkdir()
    assert origins([tmp_path / "mine"]) == origins([put]) == {"coin": "user"}


def test_the_environment_lists_folders(place, tmp_path, monkeypatch):
    place("one", "coin"), place("two", "dice")
    monkeypatch.setenv("REFSOLVE_SOLVERS", f"{tmp_path / 'one'}:{tmp_path / 'two'}::")
    assert origins() == {"coin": "user", "dice": "user"}


def test_a_folder_that_is_not_there_is_named(place, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="none is not a folder of solvers. Check --solvers"):
        discover([tmp_path / "none"])
    monkeypatch.setenv("REFSOLVE_SOLVERS", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="gone is not a folder of solvers"):
        list_problems()


def test_a_checkout_is_told_by_its_project_file(place, tmp_path):
    place("lib/solvers")
    assert origins() == {}
    (tmp_path / "lib" / "pyproject.toml").touch()
    assert origins() == {"coin": "checkout"}


def test_an_installed_package_carries_its_solvers(place):
    place("lib/refsolve/_solvers")
    assert origins() == {"coin": "installed"}
    assert find_problem("coin").spec.name == "coin"


@pytest.mark.parametrize("value", ["", ":FOLDER", ":TEXT", ":folder"])
def test_another_package_announces_solvers(place, announce, tmp_path, value):
    folder = place("site/extra_coins")
    code = (
        f"from pathlib import Path\nTEXT = {str(folder.parent)!r}\nFOLDER = Path(TEXT)\n"
        "def folder():\n    return FOLDER\n"
    )
    announce("extra_coins", f"extra_coins{value}", code)
    assert origins() == {"coin": "plugin extra_coins"}
    assert broken_plugins() == {}


def test_a_plain_module_announces_the_folder_it_is_in(place, announce, tmp_path):
    place("site/extra_coins")
    package = announce("extra_coins", "extra_coins.where")
    (package / "where.py").touch()
    assert origins() == {"coin": "plugin extra_coins"}
    for name in list(sys.modules):
        if name.startswith("extra_coins"):
            del sys.modules[name]


@pytest.mark.parametrize(
    "value, code, reason",
    [
        ("broken_coins", "1 / 0", "division by zero"),
        ("broken_coins:nothing", "", "has no attribute 'nothing'"),
        ("broken_coins:WHERE", "WHERE = '/nonexistent/folder'", "is not a folder"),
        ("no_such_module", "", "No module named 'no_such_module'"),
    ],
)
def test_a_broken_plugin_breaks_nothing_and_is_reported(place, announce, value, code, reason):
    place("lib/refsolve/_solvers")
    announce("broken_coins", value, code)
    assert origins() == {"coin": "installed"}
    assert list(broken_plugins()) == ["broken_coins"]
    assert reason in broken_plugins()["broken_coins"]


def test_a_name_found_twice_belongs_to_the_first(place, announce, tmp_path, monkeypatch):
    places = ["option", "variable", "site/extra_coins", "lib/solvers", "lib/refsolve/_solvers"]
    folders = [place(root) for root in places]
    announce("extra_coins", "extra_coins")
    (tmp_path / "lib" / "pyproject.toml").touch()
    monkeypatch.setenv("REFSOLVE_SOLVERS", str(tmp_path / "variable"))
    for rank, folder in enumerate(folders):
        chosen = [folders[0].parent] if rank == 0 else []
        assert list(discover(chosen)) == ["coin"]
        assert discover(chosen)["coin"].folder == folder
        shutil.rmtree(folder)
    assert discover() == {}


def test_two_folders_of_one_name_do_not_share_modules(variant):
    plain = variant()
    other = variant(("solve.py", "@decision\ndef face", "MARK = 1\n\n\n@decision\ndef face"))
    assert plain.name == other.name
    assert not hasattr(plain.module("solve"), "MARK")
    assert other.module("solve").MARK == 1
    assert plain.module("solve") is Problem(plain.folder).module("solve")


def test_files_of_a_solver_import_each_other(variant):
    problem = variant(
        ("solve.py", "import pandas as pd\n", "import pandas as pd\n\nfrom . import tools\n")
    )
    (problem.folder / "tools.py").write_text("from .more import ANSWER\n")
    (problem.folder / "more.py").write_text("ANSWER = 42\n")
    assert problem.module("solve").tools.ANSWER == 42
    assert problem.module("ablations").face is problem.module("solve").face
    assert not [name for name in sys.modules if name in ("tools", "more", "solve", "ablations")]


def test_a_file_that_is_absent_is_named(variant):
    problem = variant()
    (problem.folder / "generate.py").unlink()
    assert problem.has("solve")
    assert not problem.has("generate")
    with pytest.raises(UsageError, match=r"coin: generate.py is absent from .*/coin\."):
        problem.module("generate")


def test_a_problem_is_found_by_name_folder_and_itself(toy, coin, monkeypatch):
    assert find_problem(coin) is coin
    assert find_problem("coin").folder == toy / "coin"
    assert find_problem(toy / "coin").spec == find_problem(str(toy / "coin")).spec == coin.spec
    monkeypatch.chdir(toy / "coin")
    assert find_problem("./").name == "coin"
    assert discover([Path(".")])["coin"].spec.name == "coin"
    assert discover([".."])["coin"].origin == "user"


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"No problem is called 'coins'. Did you mean 'coin'\?"):
        find_problem("coins")
    with pytest.raises(UsageError, match=r"No problem is called 'qqqq'. Known: .*coin"):
        find_problem("qqqq")


def test_a_problem_goes_to_another_process_as_its_folder(coin):
    assert coin.lattice.choices
    again = pickle.loads(pickle.dumps(coin))
    assert (again.folder, again.origin) == (coin.folder, coin.origin)
    assert "lattice" not in vars(again)


def test_the_fingerprint_follows_what_decides_the_numbers(variant):
    plain = variant().fingerprint()
    assert variant(("README.md", "# coin", "# Coin")).fingerprint() == plain
    edits = [
        ("solve.py", "bias > 0.5", "bias >= 0.5"),
        ("problem.toml", "tolerance = 0.03", "tolerance = 0.04"),
        ("generate.py", "0.70", "0.71"),
    ]
    assert len({plain, *(variant(edit).fingerprint() for edit in edits)}) == 4


@pytest.mark.parametrize("place", ["a", "zzz/deeper"])
def test_the_fingerprint_does_not_depend_on_the_place(coin, tmp_path, place):
    target = tmp_path / place / "coin"
    shutil.copytree(coin.folder, target, ignore=shutil.ignore_patterns("__pycache__"))
    problem = Problem(target)
    assert problem.fingerprint() == Problem(coin.folder)._hash()


def test_the_fingerprint_is_that_of_what_was_loaded(variant):
    # An edit does not change the modules that this process has; work must not bear its name.
    problem = variant()
    before = problem.fingerprint()
    file = problem.folder / "solve.py"
    file.write_text(file.read_text() + "\n")
    assert Problem(problem.folder).fingerprint() == before


def test_harmless_must_name_a_wrong_choice(variant):
    line = 'reference = "pooled"\n'
    for name, message in [
        ("median", "Decision 'estimate' has no choice 'median'. Known: pooled, mean_of_sessions"),
        ("flat_prior", "harmless names 'flat_prior', which is not wrong"),
        ("pooled", "harmless names 'pooled', which is not wrong"),
    ]:
        harmless = f'{line}[decision.harmless]\n{name} = "it hardly matters"\n'
        with pytest.raises(UsageError, match=message):
            _ = variant(("problem.toml", line, harmless)).lattice


def test_the_catalogue_lists_what_cannot_be_used_with_the_reason(place, tmp_path):
    place("mine", "coin")
    (place("mine", "dice") / "problem.toml").write_text("title = 1")
    listed = {item.name: item for item in list_problems([tmp_path / "mine"])}
    assert listed["coin"].title.startswith("The bias")
    assert (listed["coin"].origin, listed["coin"].trouble) == ("user", "")
    assert "column 'title'" in listed["dice"].trouble
    with pytest.raises(InputError):
        describe("dice", [tmp_path / "mine"])


def test_describe_tells_everything_a_reader_needs(coin):
    told = describe(coin)
    assert told["name"] == "coin"
    assert [a["key"] for a in told["answer"]] == ["bias", "miscounted", "favoured"]
    face = told["decisions"][0]
    assert [(c["name"], c["kind"]) for c in face["choices"]] == [
        ("by_observer", "reference"),
        ("as_written", "wrong"),
        ("one_convention", "defensible"),
    ]
    assert "towards one half" in face["choices"][1]["effect"]
    knobs = {k["key"]: k for k in told["knobs"]}
    assert knobs["turned"]["default"] == 0.4
    assert all(k["description"] for k in knobs.values())
    assert [p["key"] for p in told["parameters"]] == ["excess", "z"]
