"""PLINK 1 files: genotypes, samples, regions, and every way in which the three do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refsolve.core.errors import InputError
from refsolve.io.plink import open_plink

GOLD = Path(__file__).parents[1] / "gold" / "ambient_count_glm" / "pb_small"
CODE = np.array([3, 2, 0, 1], np.uint8)  # copies 0, 1, 2 and missing


def write(
    folder: Path, calls: np.ndarray, *, bim: str | None = None, fam: str | None = None
) -> Path:
    """Three files of copies of A1 (variants, samples), -1 where missing."""
    v, n = calls.shape
    code = np.zeros((v, -(-n // 4) * 4), np.uint8)
    code[:, :n] = CODE[calls]
    packed = code[:, 0::4] | code[:, 1::4] << 2 | code[:, 2::4] << 4 | code[:, 3::4] << 6
    (folder / "g.bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())
    lines = [f"{1 + k // 3}\tv{k}\t0\t{10 * k}\tA\tC\n" for k in range(v)]
    (folder / "g.bim").write_text("".join(lines) if bim is None else bim)
    people = [f"f{k} s{k} 0 0 0 -9\n" for k in range(n)]
    (folder / "g.fam").write_text("".join(people) if fam is None else fam)
    return folder / "g"


CALLS = np.random.default_rng(1).integers(-1, 3, (7, 6))


def test_copies_of_the_first_allele(tmp_path: Path) -> None:
    found = open_plink(write(tmp_path, CALLS))
    want = np.where(CALLS < 0, np.nan, CALLS)
    np.testing.assert_array_equal(found.take(np.arange(7)), want)
    np.testing.assert_array_equal(found.take(np.array([5, 0])), want[[5, 0]])
    assert found.n_variants == 7
    assert list(found.position) == [0, 10, 20, 30, 40, 50, 60]
    assert set(found.effect_allele) == {"A"}
    assert set(found.other_allele) == {"C"}
    assert list(found.sample) == [f"s{k}" for k in range(6)]


def test_samples_and_regions(tmp_path: Path) -> None:
    prefix = write(tmp_path, CALLS)
    want = np.where(CALLS < 0, np.nan, CALLS)
    some = open_plink(prefix.with_suffix(".bed"), samples=["s4", "s1"], region="2:30-40")
    assert list(some.variant) == ["v3", "v4"]
    np.testing.assert_array_equal(some.take(np.arange(2)), want[3:5][:, [4, 1]])
    assert list(open_plink(prefix, region=("2", 40, 50)).variant) == ["v4", "v5"]
    assert list(open_plink(prefix, region="3").variant) == ["v6"]
    assert list(open_plink(prefix.with_suffix(".bim"), region="2:50-").variant) == ["v5"]
    assert open_plink(prefix, region="2:1-2").n_variants == 0


def test_stored_genotypes() -> None:
    with np.load(GOLD / "pb.npz") as data:
        want = data["G"]
    found = open_plink(GOLD / "geno")
    np.testing.assert_array_equal(found.take(np.arange(found.n_variants)), want)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda b: b"\x6c\x1c" + b[2:], ["g.bed", "6c 1c", "make-bed"]),
        (lambda b: b"", ["g.bed", "empty"]),
        (lambda b: b[:2] + b"\x00" + b[3:], ["genotypes by sample", "make-bed"]),
        (lambda b: b[:2] + b"\x07" + b[3:], ["the mode 7"]),
        (lambda b: b[:-1], ["16 bytes", "17 for 7 variants", "6 samples", "one export"]),
        (lambda b: b + b"\x00", ["18 bytes"]),
    ],
)  # fmt: skip
def test_a_bed_file_that_does_not_fit(tmp_path: Path, change, words) -> None:
    prefix = write(tmp_path, CALLS)
    bed = prefix.with_suffix(".bed")
    bed.write_bytes(change(bed.read_bytes()))
    with pytest.raises(InputError) as failure:
        open_plink(prefix)
    for word in words:
        assert word in str(failure.value)


@pytest.mark.parametrize(
    "files, words",
    [
        ({"bim": "1 a 0 5 A C\n1 b 0 6 A\n"}, ["g.bim", "row 2", "fewer fields", "6 fields"]),
        ({"bim": "1 a 0 5 A C\n1 b 0 6 A C T\n"}, ["g.bim", "row 2", "more fields"]),
        ({"bim": "1 a 0 5 A C T\n" * 2}, ["g.bim", "row 1", "more fields", "6 fields"]),
        ({"bim": "1 a 0 5 A C\n1 b 0 6 A C T U\n"}, ["g.bim", "saw 8", "6 fields"]),
        ({"bim": "1 a 0 x A C\n"}, ["g.bim", "'position'", "row 1", "'x'", "whole number"]),
        ({"bim": "1 a 0 1.5 A C\n"}, ["'1.5'"]),
        ({"bim": "1 a 0 inf A C\n"}, ["'inf'"]),
        ({"fam": "f s0 0 0 0 -9\nf s0 0 0 0 -9\n"}, ["g.fam", "row 2", "'s0' a second time"]),
        ({"fam": ""}, ["g.fam", "empty"]),
    ],
)
def test_lines_that_break_the_format(tmp_path: Path, files, words) -> None:
    with pytest.raises(InputError) as failure:
        open_plink(write(tmp_path, CALLS, **files))
    for word in words:
        assert word in str(failure.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, CALLS)
    (tmp_path / "g.fam").unlink()
    with pytest.raises(InputError, match="g.fam"):
        open_plink(tmp_path / "g")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"samples": ["s1", "x", "y"]}, "'x' and 1 more not in g.fam"),
        ({"samples": ["s1", "s1"]}, "twice"),
        ({"samples": "s1"}, "expected a list of names"),
        ({"samples": []}, "expected a list of names"),
        ({"region": "1:5-x"}, "is no region"),
        ({"region": "1:5"}, "is no region"),
        ({"region": "chr1"}, "g.bim has no chromosome 'chr1'; there is 1, 2, 3"),
        ({"region": ("1", 5, 4)}, "ends before it starts"),
    ],
)
def test_requests_that_cannot_be_met(tmp_path: Path, options, words: str) -> None:
    prefix = write(tmp_path, CALLS)
    with pytest.raises(ValueError, match=words):
        open_plink(prefix, **options)
