from __future__ import annotations

import gzip
import json
import os

import numpy as np
import pandas as pd
import pytest

from refsolve.contract.generating import draw, generate
from refsolve.contract.grading import grade
from refsolve.contract.solving import solve
from refsolve.core.errors import InputError, UsageError
from refsolve.io import read_tables


def content(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_seed_names_every_byte(coin, tmp_path):
    one, two = (content(generate(coin, tmp_path / name, seed=3)) for name in "ab")
    assert one == two
    assert sorted(one) == ["observers.tsv.gz", "sessions.tsv.gz", "truth.json"]
    assert content(generate(coin, tmp_path / "c", seed=4)) != one


def test_knobs_as_texts_and_as_values_make_the_same_case(coin, tmp_path):
    values = {"long": np.int64(20), "miscounted": 2, "turned": 0.25, "fair_side": True}
    texts = {"long": "20", "miscounted": "2", "turned": "0.25", "fair_side": "true"}
    one = content(generate(coin, tmp_path / "a", knobs=values))
    assert one == content(generate(coin, tmp_path / "b", knobs=texts))
    truth = json.loads(one["truth.json"])
    assert truth["knobs"] == values
    assert truth["answer"]["miscounted"] == 2


def test_truth_has_all_that_grading_needs(coin, tmp_path):
    truth = json.loads((generate(coin, tmp_path / "a") / "truth.json").read_text())
    assert truth["problem"] == "coin"
    assert truth["seed"] == coin.spec.seeds.example
    assert truth["tolerance"] == {"bias": 0.03}
    assert sorted(truth["answer"]) == ["bias", "favoured", "miscounted"]
    assert len(truth["latent"]["miscounted_sessions"]) == truth["answer"]["miscounted"]


def test_truth_is_written_last(coin, tmp_path, monkeypatch):
    order = []

    def record(source, target):
        order.append(target.name)
        return replace(source, target)

    replace = os.replace
    monkeypatch.setattr(os, "replace", record)
    generate(coin, tmp_path / "a" / "deeper")
    assert order == ["sessions.tsv.gz", "observers.tsv.gz", "truth.json"]


def test_a_case_is_never_written_over(coin, tmp_path):
    (tmp_path / "empty").mkdir()
    generate(coin, tmp_path / "empty")
    before = content(tmp_path / "empty")
    with pytest.raises(UsageError, match="empty exists and is not empty. Name a new folder."):
        generate(coin, tmp_path / "empty", seed=9)
    assert content(tmp_path / "empty") == before
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file exists and is not empty"):
        generate(coin, tmp_path / "file")


@pytest.mark.parametrize(
    "how, message",
    [
        ({"seed": -1}, "The seed -1 is negative"),
        ({"knobs": {"lenght": 3}}, r"Unknown knob 'lenght'. Did you mean 'length'\?"),
        ({"knobs": {"length": "long"}}, "knob length: 'long' is not a valid int"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(coin, tmp_path, how, message):
    with pytest.raises(UsageError, match=message):
        generate(coin, tmp_path / "a", **how)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "old, new, message",
    [
        (
            '"favoured": favoured}',
            '"favorite": favoured}',
            r"coin: generate.py answers \['bias', 'favorite', 'miscounted'\], problem.toml asks",
        ),
        (
            ', "observers": observers}',
            "}",
            r"generate.py makes the tables \['sessions'\], problem.toml lists \['observers',",
        ),
        (
            ', "observers": observers}',
            ', "observers": observers, "people": observers}',
            r"makes the tables \['observers', 'people', 'sessions'\], problem.toml lists",
        ),
    ],
)
def test_generator_and_contract_must_agree(variant, tmp_path, old, new, message):
    with pytest.raises(UsageError, match=message):
        generate(variant(("generate.py", old, new)), tmp_path / "a")


@pytest.mark.parametrize(
    "value, trouble",
    [
        ("float('nan')", "nan is not finite"),
        ("None", "None is not a number"),
        ("str(p)", "is not a number"),
        ("1 + p", "above the largest accepted value 1"),
    ],
)
def test_a_truth_that_nobody_can_answer_is_refused(variant, tmp_path, value, trouble):
    broken = variant(("generate.py", '"bias": p,', f'"bias": {value},'))
    with pytest.raises(InputError, match=rf"generate.py, column 'answer.bias'.*{trouble}"):
        generate(broken, tmp_path / "a")


def test_truth_in_the_numbers_of_numpy_is_the_same_truth(variant, tmp_path):
    numpy = variant(
        ("generate.py", '"bias": p,', '"bias": np.float64(p),'),
        ("generate.py", "int((eagles[twice] > 0).sum())", "(eagles[twice] > 0).sum()"),
        (
            "generate.py",
            "        latent=",
            '        tolerance={"bias": np.float64(0.5)},\n        latent=',
        ),
    )
    made = draw(numpy, 3, {})
    assert {k: type(v) for k, v in made.answer.items()} == {
        "bias": float,
        "miscounted": int,
        "favoured": str,
    }
    generate(numpy, tmp_path / "a")
    assert (
        grade(numpy, solve(numpy, tmp_path / "a").answer, tmp_path / "a").keys[0].tolerance == 0.5
    )


@pytest.mark.parametrize("kind, suffix", [("csv", "csv.gz"), ("npz", "npz")])
def test_tables_are_written_in_the_format_of_the_contract(variant, tmp_path, kind, suffix):
    other = variant(
        ("problem.toml", 'name = "observers"\n', f'name = "observers"\nformat = "{kind}"\n')
    )
    folder = generate(other, tmp_path / "a")
    file = folder / f"observers.{suffix}"
    want = draw(other, other.spec.seeds.example, {}).tables["observers"]
    if kind == "csv":
        with gzip.open(file, "rt") as stream:
            got = pd.read_csv(stream)
    else:
        with np.load(file, allow_pickle=True) as archive:
            got = pd.DataFrame({name: archive[name] for name in archive.files})
    pd.testing.assert_frame_equal(got, want)


ARRAYS = """
[[file]]
name = "agreement"
format = "npz"
[[file.forms]]
columns = [{ name = "observer", type = "str", references = "observers.observer" }]
matrices = [{ name = "agreement", rows = "observer", columns = "observer", max = 1 }]

[[file]]
name = "question"
format = "json"
[[file.forms]]
columns = [{ name = "faces", type = "list" }, { name = "layer", type = "str", missing = true }]

[[answer]]
key = "bias"
"""
MADE = """
        tables={
            "agreement": {"observer": names, "agreement": np.eye(2)},
            "question": {"faces": ["eagle", "number"], "layer": None},
            "sessions": sessions, "observers": observers,
        },
"""


def test_arrays_and_objects_are_written_and_read_back(variant, tmp_path):
    shuffled = "sessions.sample(frac=1, random_state=rng)"
    other = variant(
        ("problem.toml", '[[answer]]\nkey = "bias"\n', ARRAYS),
        (
            "generate.py",
            f'tables={{"sessions": {shuffled}, "observers": observers}},\n',
            MADE.strip() + "\n",
        ),
    )
    tables = read_tables(generate(other, tmp_path / "a"), other.spec.file)
    assert tables["agreement"].axes["observer"].tolist() == ["observer_1", "observer_2"]
    assert tables["agreement"].matrices["agreement"].tolist() == [[1, 0], [0, 1]]
    assert tables["question"].fields == {"faces": ("eagle", "number"), "layer": None}
