"""Contact maps in .cool and .mcool files: read as cooler reads them, written so that it can."""

from __future__ import annotations

import pickle
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import InputError, MissingDependencyError
from refsolve.io.cool import CoolFile, open_cool
from refsolve.io.cool_write import write_cool, write_mcool, write_weights
from refsolve.methods.contact_expected import (
    Background,
    Contacts,
    aggregate_pairs,
    balance,
    expected_cis,
    expected_trans,
    fit_expected,
)
from refsolve.parallel import threads

cooler = pytest.importorskip("cooler", reason="the hic extra is not installed")
h5py = pytest.importorskip("h5py", reason="the hic extra is not installed")

GOLD = Path(__file__).parents[1] / "gold" / "contact_expected" / "small.cool"


def bins_of(*sizes: int, length: int = 10) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"chrom": f"chr{10 - c}", "start": np.arange(n) * length})
        for c, n in enumerate(sizes)
    ]
    bins = pd.concat(parts, ignore_index=True)
    return bins.assign(end=bins["start"] + length)


def pixels_of(n: int, seed: int = 1) -> pd.DataFrame:
    i, j = np.triu_indices(n)
    count = np.random.default_rng(seed).poisson(1.0, i.size)
    there = count > 0
    return pd.DataFrame({"bin1": i, "bin2": j, "count": count})[there].reset_index(drop=True)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    bins = bins_of(60, 40).assign(gc=0.4)
    return write_cool(tmp_path / "a.cool", bins, pixels_of(100))


def complaint(path: Path | str, resolution: int | None = None) -> str:
    with pytest.raises(InputError) as refused:
        open_cool(path, resolution)
    return str(refused.value)


def test_a_map_is_read_as_cooler_reads_it() -> None:
    cool, clr = open_cool(GOLD), cooler.Cooler(str(GOLD))
    assert (cool.n_bins, cool.n_pixels) == (clr.info["nbins"], clr.info["nnz"])
    assert cool.names == tuple(clr.chromnames)
    pd.testing.assert_frame_equal(
        cool.bins(), clr.bins()[:].astype({"chrom": object}), check_dtype=False
    )
    want = clr.pixels()[:]
    got = cool.pixels()
    np.testing.assert_array_equal(got, want[["bin1_id", "bin2_id", "count"]])
    inside = cool.pixels("chrB")
    assert inside["bin1"].min() >= 300
    assert len(inside) == (want["bin1_id"] >= 300).sum()
    np.testing.assert_array_equal(cool.column("weight"), clr.bins()["weight"][:])


def test_ranges_of_every_length_are_those_of_the_whole() -> None:
    cool = open_cool(GOLD)
    bin2, count = cool.read(0, cool.n_pixels)
    ranges = [(0, 1), (5, 5), (100, 9000), (8000, 8100), (52_000, cool.n_pixels)]
    for (low, high), (columns, counts) in zip(ranges, cool.read_many(ranges), strict=True):
        np.testing.assert_array_equal(columns, bin2[low:high])
        np.testing.assert_array_equal(counts, count[low:high])


STORED: list[dict[str, Any]] = [
    {},
    {"compression": "gzip", "shuffle": False},
    {"compression": "lzf"},
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
    {"compression": "gzip", "shuffle": True, "chunks": (7,)},
]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize(
    "kinds", [(np.int64, np.int32), (np.int32, np.int64), (np.int64, np.float64)]
)
def test_pixels_stored_in_any_way_are_the_same(
    made: Path, stored: dict[str, Any], kinds: tuple[str, str]
) -> None:
    want = open_cool(made).pixels()
    with h5py.File(made, "r+") as file:
        for name, kind in zip(("bin2_id", "count"), kinds, strict=True):
            values = file["pixels"][name][:].astype(kind)
            del file["pixels"][name]
            file["pixels"].create_dataset(name, data=values, **stored)
    got = open_cool(made).pixels()
    np.testing.assert_array_equal(got, want)


def test_large_and_fractional_counts_are_kept(tmp_path: Path) -> None:
    count = np.array([2.5, 0.25])
    pixels = pd.DataFrame({"bin1": [0, 1], "bin2": [0, 2], "count": count})
    cool = open_cool(write_cool(tmp_path / "f.cool", bins_of(3), pixels))
    assert cool.read(0, 2)[1].tolist() == count.tolist()
    with h5py.File(cool.path, "r+") as file:
        del file["pixels/count"]
        file["pixels"].create_dataset("count", data=np.array([2**40, 1]))
    assert open_cool(cool.path).read(0, 2)[1].tolist() == [2.0**40, 1.0]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    bins, pixels = bins_of(30, 20).assign(weight=np.linspace(0.5, 1.0, 50)), pixels_of(50)
    pieces = (pixels.iloc[k : k + 100] for k in range(0, len(pixels), 100))
    path = write_cool(tmp_path / "b.cool", bins, pieces)
    cool = open_cool(path)
    np.testing.assert_array_equal(cool.pixels(), pixels)
    pd.testing.assert_frame_equal(cool.bins(), bins)
    assert cooler.Cooler(str(path)).info["sum"] == pixels["count"].sum()
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.cool"]


def test_maps_of_several_resolutions(tmp_path: Path) -> None:
    maps = {10: (bins_of(8), pixels_of(8)), 20: (bins_of(4, length=20), pixels_of(4, seed=2))}
    path = write_mcool(tmp_path / "c.mcool", maps)
    assert cooler.fileops.is_multires_file(str(path))
    for resolution, (bins, pixels) in maps.items():
        for cool in (open_cool(path, resolution), open_cool(f"{path}::/resolutions/{resolution}")):
            np.testing.assert_array_equal(cool.pixels(), pixels)
            assert cool.n_bins == len(bins)
    assert "found maps of 10, 20 bp, expected one map" in complaint(path)
    assert "no map of 30 bp, expected one of 10, 20 bp" in complaint(path, 30)
    assert "no map '/resolutions/5'" in complaint(f"{path}::resolutions/5")


def test_weights_are_put_into_a_file(made: Path) -> None:
    weights = np.where(np.arange(100) % 7, np.linspace(0.1, 1.0, 100), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_weights(made, np.ones(100))
        write_weights(made, weights, facts={"tol": 1e-5, "converged": True})
    np.testing.assert_array_equal(open_cool(made).column("weight"), weights)
    np.testing.assert_array_equal(cooler.Cooler(str(made)).bins()["weight"][:], weights)
    assert [entry.name for entry in made.parent.iterdir()] == ["a.cool"]


def test_weights_that_divide_are_inverted(made: Path) -> None:
    write_weights(made, np.full(100, 4.0), name="KR", facts={"divisive_weights": True})
    assert open_cool(made).column("KR").tolist() == [0.25] * 100


def test_a_file_and_memory_give_the_same_expected(made: Path) -> None:
    cool = open_cool(made)
    contacts = Contacts(**cool.load())
    want = expected_cis(contacts)
    for pixels in (cool, pickle.loads(pickle.dumps(cool))):
        with threads(2) as map_:
            got = expected_cis(pixels, map_=map_)
        np.testing.assert_array_equal(got.count_sum, want.count_sum)


def test_the_model_of_counts_takes_a_file_chromosome_by_chromosome(made: Path) -> None:
    cool = open_cool(made)
    settings: dict[str, Any] = {
        "condition": ["a"],
        "covariates": {"gc": np.tile([0.4, 0.5], 50)},
        "chrom_offset": cool.chrom_offset,
        "longest": 59,
    }
    parts = ([own["bin1"], own["bin2"], own["count"]] for own in map(cool.pixels, cool.names))
    whole = pixels_of(100)
    got = aggregate_pairs([parts], **settings)
    want = aggregate_pairs([[[whole["bin1"], whole["bin2"], whole["count"]]]], **settings)
    np.testing.assert_array_equal(got.totals, want.totals)
    assert got.left_out < want.left_out  # pixels between chromosomes are not read
    fits = [fit_expected(cells, Background(by_condition=())) for cells in (got, want)]
    assert fits[0].n_pixels == 60 * 59 // 2 + 40 * 39 // 2
    np.testing.assert_array_equal(fits[0].coef, fits[1].coef)


def elsewhere(fn: Any, tasks: Any) -> Any:
    """A map whose tasks and results travel, as to a cluster, and come back in another order."""
    for task in reversed(list(tasks)):
        there, given = pickle.loads(pickle.dumps((fn, task)))
        yield pickle.loads(pickle.dumps(there(given)))


def test_chromosomes_can_be_done_elsewhere(made: Path) -> None:
    cool = open_cool(made)
    cis = expected_cis(cool, map_=elsewhere)
    np.testing.assert_array_equal(cis.count_sum, expected_cis(cool).count_sum)
    trans = expected_trans(cool, map_=elsewhere)
    np.testing.assert_array_equal(trans.count_sum, expected_trans(cool).count_sum)
    weights = balance(cool, max_iters=3, map_=elsewhere).weights
    np.testing.assert_array_equal(weights, balance(cool, max_iters=3).weights)


def test_other_files_are_refused(tmp_path: Path, made: Path) -> None:
    assert "expected a file, and there is none" in complaint(tmp_path / "none.cool")
    assert "found a folder" in complaint(tmp_path)
    text = tmp_path / "t.cool"
    text.write_text("chrom\tstart\n")
    assert "found no HDF5 file" in complaint(text)
    other = tmp_path / "h.cool"
    with h5py.File(other, "w") as file:
        file["x"] = [1]
    assert "an HDF5 file without a contact map" in complaint(other)
    cut = tmp_path / "cut.cool"
    cut.write_bytes(made.read_bytes()[:3000])
    assert "found a damaged file" in complaint(cut)


def test_a_map_that_does_not_fit_its_index_is_refused(made: Path) -> None:
    with h5py.File(made, "r+") as file:
        file["indexes/bin1_offset"][5] = 10**6
    assert "its index does not fit its bins" in complaint(made)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("bin2_id", 100, "none of 100"),
        ("bin2_id", -1, "none of 100"),
        ("count", -3, "a negative count"),
    ],
)
def test_damaged_pixels_are_named(made: Path, name: str, value: int, message: str) -> None:
    with h5py.File(made, "r+") as file:
        file["pixels"][name][12] = value
    cool = open_cool(made)
    with pytest.raises(InputError, match=message):
        cool.read(0, cool.n_pixels)


def test_corrupt_pieces_are_refused(made: Path, tmp_path: Path) -> None:
    with h5py.File(made, "r") as file:
        place = file["pixels/count"].id.get_chunk_info(0)
    data = bytearray(made.read_bytes())
    data[place.byte_offset + 2 : place.byte_offset + 40] = b"\xff" * 38
    broken = tmp_path / "x.cool"
    broken.write_bytes(bytes(data))
    cool = open_cool(broken)
    with pytest.raises(InputError, match="damaged"):
        cool.read(0, cool.n_pixels)


def test_an_unknown_column_names_those_there_are(made: Path) -> None:
    with pytest.raises(InputError, match="no column 'weight'.*there are gc"):
        open_cool(made).column("weight")


BAD: list[tuple[list[int], list[int]]] = [
    ([1, 0], [2, 3]),
    ([0, 0], [2, 2]),
    ([3], [1]),
    ([0], [4]),
]


@pytest.mark.parametrize("bin1, bin2", BAD)
def test_pixels_out_of_order_are_not_written(
    tmp_path: Path, bin1: list[int], bin2: list[int]
) -> None:
    pixels = pd.DataFrame({"bin1": bin1, "bin2": bin2, "count": 1})
    with pytest.raises(ValueError, match="must be of the upper triangle"):
        write_cool(tmp_path / "d.cool", bins_of(4), pixels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [-1, 2**31, -0.5, float("nan"), float("inf")])
def test_counts_that_a_file_cannot_hold_are_not_written(tmp_path: Path, count: float) -> None:
    pixels = pd.DataFrame({"bin1": [0], "bin2": [1], "count": [count]})
    with pytest.raises(ValueError, match="must be finite, at least 0 and, if whole, below"):
        write_cool(tmp_path / "d.cool", bins_of(4), pixels)
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_named(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected \\(100,\\)"):
        write_weights(made, [1.0])
    with pytest.raises(ValueError, match="choose another name"):
        write_weights(made, np.ones(100), name="start")
    with pytest.raises(ValueError, match="lacks the columns \\['end'\\]"):
        write_cool(tmp_path / "e.cool", bins_of(3).drop(columns="end"), pixels_of(3))
    with pytest.raises(ValueError, match="maps is empty"):
        write_mcool(tmp_path / "e.mcool", {})
    with pytest.raises(ValueError, match="none of"):
        open_cool(made).pixels("chrX")


def test_without_cooler_the_extra_is_named(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cooler", None)
    with pytest.raises(MissingDependencyError, match="refsolve\\[hic\\]"):
        open_cool(made)


def test_a_file_that_is_replaced_while_open_stays_whole(made: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.cool"
    shutil.copyfile(made, kept)
    cool: CoolFile = open_cool(made)
    write_weights(made, np.ones(100))
    np.testing.assert_array_equal(cool.pixels(), open_cool(kept).pixels())
