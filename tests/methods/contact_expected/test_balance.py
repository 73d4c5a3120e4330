"""Balancing: against the textbook and cooler, and what balanced contacts are like."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refsolve.methods.contact_expected import (
    Contacts,
    balance,
    combine,
    coverage,
    mask_bins,
    mask_rectangles,
    textbook,
)
from refsolve.methods.contact_expected.model import contacts as reading
from tests.methods.contact_expected.maps import Map, random_map

EXACT = {"rtol": 1e-12, "atol": 0.0}
OPEN = {"mad_max": 0.0, "min_nnz": 1}
GOLD = Path(__file__).parents[2] / "gold" / "contact_expected" / "small.cool"


@pytest.fixture
def data() -> Map:
    return random_map(np.random.default_rng(5), depth=200.0)


def row_sums(data: Map, weight: np.ndarray, used: np.ndarray) -> np.ndarray:
    w = np.nan_to_num(weight)
    return w * (np.where(used, data.dense, 0.0) @ w)


def far(data: Map, least: int = 2) -> np.ndarray:
    i, j = np.indices(data.dense.shape)
    return np.abs(i - j) >= least


def test_iterations_are_those_of_the_textbook(data: Map) -> None:
    got = balance(data.contacts, min_nnz=20, mad_max=3.0, max_iters=6)
    valid = textbook.bins_to_balance(data.dense, data.chromosome, min_nnz=20, mad_max=3.0)
    want = textbook.ice(data.dense, valid, max_iters=6)
    np.testing.assert_allclose(got.weights, want.weight, **EXACT)
    np.testing.assert_allclose(got.variance, want.variance, rtol=1e-9, atol=0.0)
    assert got.iterations.tolist() == got.passes.tolist() == [6]
    assert not got.converged


@pytest.mark.parametrize("scope", ["genome", "cis"])
def test_balanced_rows_sum_to_one(data: Map, scope: str) -> None:
    got = balance(data.contacts, scope=scope, tol=1e-18, max_iters=3000, **OPEN)
    used = far(data)
    if scope == "cis":
        used &= data.chromosome[:, None] == data.chromosome
    np.testing.assert_allclose(row_sums(data, got.weights, used), 1.0, rtol=1e-9, atol=0.0)
    assert got.converged


@pytest.mark.parametrize("scope", ["genome", "cis"])
def test_newton_finds_the_same_weights(data: Map, scope: str) -> None:
    ice = balance(data.contacts, scope=scope, tol=1e-22, max_iters=5000, **OPEN)
    newton = balance(data.contacts, scope=scope, method="newton", tol=1e-24, **OPEN)
    np.testing.assert_allclose(newton.weights, ice.weights, rtol=1e-9, atol=0.0)
    assert newton.converged
    assert newton.iterations.max() < 10


def test_newton_needs_fewer_passes_where_chromosomes_hardly_touch(data: Map) -> None:
    count = data.contacts.count.copy()
    between = data.chromosome[data.contacts.bin1] != data.chromosome[data.contacts.bin2]
    count[between & (np.arange(count.size) % 40 > 0)] = 0
    loose = replace(data.contacts, count=count)
    newton = balance(loose, method="newton", **OPEN)
    ice = balance(loose, max_iters=4 * int(newton.passes[0]), tol=1e-6, **OPEN)
    assert newton.converged
    assert not ice.converged


def test_newton_is_the_textbook(data: Map) -> None:
    valid = data.mask.valid
    got = balance(data.contacts, method="newton", tol=1e-24, mask=valid, **OPEN)
    want = textbook.newton(data.dense, valid, tol=1e-24)
    np.testing.assert_allclose(got.weights, want.weight, rtol=1e-9, atol=0.0)


def test_newton_leaves_out_bins_without_contacts(data: Map) -> None:
    count = data.contacts.count.copy()
    lonely = [3, 50]
    count[np.isin(data.contacts.bin1, lonely) | np.isin(data.contacts.bin2, lonely)] = 0
    got = balance(replace(data.contacts, count=count), method="newton", mad_max=0.0, min_nnz=0)
    assert np.flatnonzero(np.isnan(got.weights)).tolist() == lonely
    assert got.converged


def test_between_chromosomes_bins_of_a_chromosome_have_equal_sums(data: Map) -> None:
    got = balance(data.contacts, scope="trans", tol=1e-20, max_iters=4000, **OPEN)
    trans = (data.chromosome[:, None] != data.chromosome) & far(data)
    sums = row_sums(data, got.weights, trans)
    for inside in (slice(0, 40), slice(40, 65)):
        np.testing.assert_allclose(sums[inside], sums[inside].mean(), rtol=1e-9, atol=0.0)


def test_depth_leaves_the_balanced_map_as_it_is(data: Map) -> None:
    deep = replace(data.contacts, count=data.contacts.count * 9)
    once = balance(data.contacts, method="newton", tol=1e-24, **OPEN)
    many = balance(deep, method="newton", tol=1e-24, **OPEN)
    np.testing.assert_allclose(many.weights, once.weights / 3.0, rtol=1e-10, atol=0.0)


def test_filters_say_what_they_remove(data: Map) -> None:
    got = balance(data.contacts, mask=~mask_bins(65, [4, 9]).removed, min_count=1.0, max_iters=2)
    assert [found.name for found in got.filters] == [
        "few pixels", "few contacts", "low coverage", "mask",
    ]  # fmt: skip
    assert got.filters[-1].n_removed == 2
    removed = np.logical_or.reduce([found.removed for found in got.filters])
    np.testing.assert_array_equal(np.isnan(got.weights), removed)


def test_parts_and_threads_give_the_same(data: Map, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = balance(data.contacts, max_iters=5)
    with ThreadPoolExecutor(2) as pool:
        threads = balance(data.contacts, max_iters=5, map_=pool.map)
    np.testing.assert_array_equal(threads.weights, whole.weights)
    monkeypatch.setattr(reading, "PIECE", 11)
    pieces = balance(data.contacts, max_iters=5)
    np.testing.assert_allclose(pieces.weights, whole.weights, **EXACT)
    np.testing.assert_array_equal(
        coverage(data.contacts), np.where(far(data), data.dense, 0).sum(0)
    )


def test_progress_counts_iterations(data: Map) -> None:
    seen: list[tuple[int, int]] = []
    balance(data.contacts, max_iters=4, progress=lambda *step: seen.append(step))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_nothing_to_balance_has_no_weights() -> None:
    size = np.arange(4)
    nothing = Contacts(
        ("c",), np.array([0, 3]), size[:3], size[1:], np.zeros(4, np.int64),
        np.zeros(0, np.int32), np.zeros(0, np.int32),
    )  # fmt: skip
    for method in ("ice", "newton"):
        assert np.isnan(balance(nothing, method=method).weights).all()


def test_bad_arguments_are_named(data: Map) -> None:
    with pytest.raises(ValueError, match="method"):
        balance(data.contacts, method="sinkhorn")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scope"):
        balance(data.contacts, scope="arm")  # type: ignore[arg-type]
    mask = combine([0, 40, 65], mask_rectangles(65, [(0, 5, 5, 9)]))
    with pytest.raises(ValueError, match="mask has rectangles"):
        balance(data.contacts, mask=mask)


@pytest.mark.parametrize("iterations", [1, 7])
@pytest.mark.parametrize(
    "ours, theirs",
    [
        ({}, {}),
        ({"scope": "cis"}, {"cis_only": True}),
        ({"scope": "trans", **OPEN}, {"trans_only": True, "min_nnz": 1, "mad_max": 0}),
        ({"ignore_diags": 0, "min_count": 500.0}, {"ignore_diags": 0, "min_count": 500}),
        ({"ignore_diags": 3, "mad_max": 2.0}, {"ignore_diags": 3, "mad_max": 2}),
    ],
)
def test_iterations_are_those_of_cooler(
    ours: dict[str, object], theirs: dict[str, object], iterations: int
) -> None:
    cooler = pytest.importorskip("cooler", reason="the hic extra is not installed")
    from refsolve.io.cool import open_cool

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        want, facts = cooler.balance_cooler(
            cooler.Cooler(str(GOLD)), tol=1e-5, max_iters=iterations, **theirs
        )
    got = balance(open_cool(GOLD), max_iters=iterations, **ours)  # type: ignore[arg-type]
    np.testing.assert_allclose(got.weights, want, **EXACT)
    np.testing.assert_allclose(got.variance, facts["var"], rtol=1e-9, atol=0.0)
    np.testing.assert_allclose(got.scale, facts["scale"], **EXACT)
