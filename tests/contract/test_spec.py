from __future__ import annotations

import tomllib

import pytest

from refsolve.contract.spec import load_spec, parse_spec
from refsolve.core.errors import InputError, UsageError


@pytest.fixture
def raw(toy):
    return tomllib.loads((toy / "coin" / "problem.toml").read_text())


def told(raw) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_spec(raw, "problem.toml")
    return [str(violation) for violation in caught.value.violations]


def test_the_toy_reads_as_written(coin):
    spec = coin.spec
    assert [a.key for a in spec.answer] == ["bias", "miscounted", "favoured"]
    assert [(a.type, a.tolerance) for a in spec.answer] == [
        ("number", 0.03),
        ("integer", None),
        ("string", None),
    ]
    assert spec.parameters == {"excess": 0, "z": 1.96}
    assert spec.table("observers").files == ("observers",)
    assert [d.reference for d in spec.decision] == ["by_observer", "set_aside", "pooled"]


MATRIX = {"name": "agreement", "rows": "observer", "columns": "observer"}
CHANGES = {
    "a wrong type": (
        lambda r: r.update(title=3),
        "problem.toml, column 'title': found 3, expected a valid string.",
    ),
    "a missing field": (
        lambda r: r.pop("question"),
        "problem.toml, column 'question': expected this field to be present.",
    ),
    "an unknown field": (
        lambda r: r["answer"][1].update(tolerence=1),
        "problem.toml, column 'answer[1].tolerence': found 1, expected no field of this name.",
    ),
    "a field too short": (
        lambda r: r["answer"][0].update(estimand="bias"),
        "problem.toml, column 'answer[0].estimand': found 'bias', expected at least 10 characters.",
    ),
    "a field deep inside": (
        lambda r: r["file"][0]["forms"][0]["columns"][2].update(min="one"),
        "problem.toml, column 'file[0].forms[0].columns[2].min': found 'one', "
        "expected a valid number.",
    ),
    "a tolerance of zero": (
        lambda r: r["answer"][0].update(tolerance=0),
        "problem.toml, column 'answer[0].tolerance': found 0, expected greater than 0.",
    ),
    "a tolerance that is not a number": (
        lambda r: r["answer"][0].update(tolerance=float("nan")),
        "problem.toml, column 'answer[0].tolerance': found nan, expected a finite number.",
    ),
    "a true number": (
        lambda r: r["answer"][0].update(tolerance=True),
        "problem.toml, column 'answer[0].tolerance': found True, expected a valid number.",
    ),
    "a kind that does not exist": (
        lambda r: r["answer"][0].update(truth="guess"),
        "problem.toml, column 'answer[0].truth': found 'guess', expected 'parameter' or 'latent'.",
    ),
    "an integer with a tolerance": (
        lambda r: r["answer"][1].update(tolerance=1.0),
        "problem.toml, column 'answer[1]': "
        "expected answer 'miscounted': type number needs a tolerance, other types have none.",
    ),
    "a range upside down": (
        lambda r: r["answer"][0].update(min=2.0),
        "problem.toml, column 'answer[0]': expected answer 'bias': min 2 is above max 1.",
    ),
    "a parameter outside its range": (
        lambda r: r["parameter"][0].update(value=51),
        "problem.toml, column 'parameter[0]': "
        "expected parameter 'excess': its value lies outside its own range.",
    ),
    "a parameter's range upside down": (
        lambda r: r["parameter"][0].update(min=60),
        "problem.toml, column 'parameter[0]': expected parameter 'excess': min 60 is above max 50.",
    ),
    "a decision that is no name": (
        lambda r: r["decision"][0].update(key="Which face"),
        "problem.toml, column 'decision[0].key': found 'Which face', "
        "expected text of the pattern ^[a-z][a-z0-9_]*$.",
    ),
    "a negative seed": (
        lambda r: r["seeds"].update(certify=-1),
        "problem.toml, column 'seeds.certify': found -1, expected greater than or equal to 0.",
    ),
    "no file": (
        lambda r: r.update(file=[]),
        "problem.toml, column 'file': expected at least 1.",
    ),
    "a matrix in a text table": (
        lambda r: r["file"][1]["forms"][0].update(matrices=[MATRIX]),
        "problem.toml, column 'file[1].forms[0].matrices': expected none in format tsv; use npz.",
    ),
    "a matrix of unknown rows": (
        lambda r: r["file"][1]["forms"][0].update(matrices=[MATRIX | {"rows": "eagle"}]),
        "problem.toml, column 'file[1].forms[0].matrices[0].rows': found 'eagle', "
        "expected a column of this form, one of observer, heads_is.",
    ),
    "an answer twice": (
        lambda r: r["answer"].append(r["answer"][0]),
        "problem.toml: expected answer 'bias' is listed twice.",
    ),
    "a file twice": (
        lambda r: r["file"][0].update(names=["observers"]),
        "problem.toml: expected file 'observers' is listed twice.",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_wrong_field_gives_one_sentence_with_its_path_and_value(raw, change):
    make, sentence = CHANGES[change]
    make(raw)
    assert told(raw) == [sentence]


def test_all_wrong_fields_are_reported_together(raw):
    raw["title"] = 3
    raw["extra"] = 1
    del raw["seeds"]["count"], raw["seeds"]["example"]
    assert [line.split(":")[0] for line in told(raw)] == [
        "problem.toml, column 'title'",
        "problem.toml, column 'seeds.example'",
        "problem.toml, column 'extra'",
    ]


@pytest.mark.parametrize("value", ["text", 3, 0.5, True])
def test_parameters_keep_their_type(raw, value):
    raw["parameter"] = [{"key": "k", "value": value, "description": "any"}]
    parsed = parse_spec(raw, "problem.toml").parameters["k"]
    assert (type(parsed), parsed) == (type(value), value)


def test_a_parameter_without_range_accepts_everything(raw):
    raw["parameter"] = [{"key": "k", "value": 3, "description": "any"}]
    (item,) = parse_spec(raw, "problem.toml").parameter
    assert item.accepts(-1e9)
    assert item.accepts("text")


def test_broken_toml_names_the_place(variant):
    broken = variant(("problem.toml", 'name = "coin"', 'name = "coin'))
    with pytest.raises(InputError, match=r"^problem.toml: found .*line 1.*expected valid TOML"):
        _ = broken.spec


def test_text_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "problem.toml").write_bytes('title = "Größe"'.encode("latin-1"))
    with pytest.raises(InputError, match="expected valid TOML in UTF-8"):
        load_spec(tmp_path / "problem.toml")


def test_a_byte_order_mark_is_read_over(toy, tmp_path):
    text = (toy / "coin" / "problem.toml").read_bytes()
    (tmp_path / "problem.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert load_spec(tmp_path / "problem.toml") == load_spec(toy / "coin" / "problem.toml")


@pytest.mark.parametrize("kind", ["absent", "a folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, kind):
    path = tmp_path / "problem.toml"
    if kind == "a folder":
        path.mkdir()
    with pytest.raises(InputError, match="expected a readable problem.toml in the folder") as told_:
        load_spec(path)
    assert str(path) in str(told_.value)


def test_the_name_must_be_that_of_the_folder(variant):
    other = variant(("problem.toml", 'name = "coin"', 'name = "dice"'))
    with pytest.raises(UsageError, match="name is 'dice', the folder 'coin'"):
        _ = other.spec


@pytest.mark.parametrize(
    "edit, message",
    [
        (
            ("solve.py", "DECISIONS = (face, miscounts,", "DECISIONS = (miscounts, face,"),
            r"coin: solve.py decides \['miscounts', 'face', 'estimate'\], "
            r"problem.toml lists \['face', 'miscounts', 'estimate'\]",
        ),
        (
            ("solve.py", ", estimate)\n", ")\n"),
            r"solve.py decides \['face', 'miscounts'\], problem.toml lists",
        ),
        (
            ("solve.py", "@decision\ndef estimate", "def estimate"),
            r"coin: <function estimate .*> in DECISIONS is not marked @decision",
        ),
    ],
)
def test_decisions_of_code_and_contract_must_agree(variant, edit, message):
    with pytest.raises(UsageError, match=message):
        _ = variant(edit).decisions
