"""VCF files: calls and expected copies, several alleles, gaps, and lines that break the format."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from refsolve.core.errors import InputError
from refsolve.io.vcf import LAST_BLOCK, iter_vcf, read_vcf

HEAD = (
    "##fileformat=VCFv4.2\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Call">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\n"
)
RECORDS = (
    "1\t100\trs1\tA\tG\t.\tPASS\t.\tGT\t0/0\t0|1\t1/1\n"
    "1\t200\t.\tC\tT,CA\t.\tlow\t.\tGT:DP\t1/2:3\t./.:0\t2|2:9\n"
    "1\t300\trs3\tC\t.\t.\tPASS\t.\tGT\t0/0\t0/0\t0/0\n"
    "2\t100\trs4\tG\tC\t.\tPASS\t.\tDP:GT\t3:./1\t4\t5:1\n"
    "X\t100\trs5\tG\tC\t.\tPASS\t.\tDP\t3\t4\t5\n"
)
NAN = np.nan


def write(folder: Path, text: str, name: str = "x.vcf") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_calls(tmp_path: Path) -> None:
    found = read_vcf(write(tmp_path, HEAD + RECORDS))
    want = [[0, 1, 2], [1, NAN, 0], [1, NAN, 2], [NAN, NAN, 1], [NAN, NAN, NAN]]
    np.testing.assert_array_equal(found.take(np.arange(5)), want)
    assert found.dosage.dtype == np.int8
    assert found.n_variants == 5
    assert list(found.variant) == ["rs1", "1:200:C:T", "1:200:C:CA", "rs4", "rs5"]
    assert list(found.effect_allele) == ["G", "T", "CA", "C", "C"]
    assert list(found.other_allele) == ["A", "C", "C", "G", "G"]
    assert list(found.chromosome) == ["1", "1", "1", "2", "X"]
    assert found.counts == {
        "multiallelic": 1, "without_alternate": 1, "without_field": 1, "haploid": 1,
    }  # fmt: skip


def test_compressed_with_other_line_ends_and_in_batches(tmp_path: Path) -> None:
    plain = read_vcf(write(tmp_path, HEAD + RECORDS))
    packed = tmp_path / "y.vcf.gz"
    packed.write_bytes(gzip.compress((HEAD + RECORDS).replace("\n", "\r\n").encode()))
    np.testing.assert_array_equal(read_vcf(packed).dosage, plain.dosage)
    batches = list(iter_vcf(packed, chunk=1))
    assert [batch.n_variants for batch in batches] == [1, 2, 1, 1, 0]
    np.testing.assert_array_equal(np.concatenate([b.dosage for b in batches]), plain.dosage)


def test_samples_and_regions(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + RECORDS)
    found = read_vcf(path, samples=["c", "a"], region="1:100-100")
    np.testing.assert_array_equal(found.take(np.arange(1)), [[2, 0]])
    assert list(found.sample) == ["c", "a"]
    assert read_vcf(path, region="2:1-50").n_variants == 0
    assert list(read_vcf(path, region="1:150-").position) == [200, 200]
    with pytest.raises(ValueError, match="no chromosome '7'; there is"):
        read_vcf(path, region="7")


def test_expected_copies(tmp_path: Path) -> None:
    lines = (
        "1\t100\trs1\tA\tG\t.\t.\t.\tGT:DS\t0/0:0.1\t0/1:.\t1/1:2.0004\n"
        "1\t200\trs2\tA\tG,T\t.\t.\t.\tDS\t1,0.5\t0,.\t.\n"
        "1\t300\trs3\tA\tG\t.\t.\t.\tGT\t0/0\t0/0\t0/0\n"
    )
    path = write(tmp_path, HEAD.replace("ID=GT", "ID=DS") + lines)
    found = read_vcf(path)
    want = [[0.1, NAN, 2], [1, 0, NAN], [0.5, NAN, NAN], [NAN, NAN, NAN]]
    np.testing.assert_allclose(found.take(np.arange(4)), want, rtol=1e-6, atol=0)
    assert read_vcf(path, field="GT").take(np.arange(1)).tolist() == [[0.0, 1.0, 2.0]]


@pytest.mark.parametrize(
    "record, words",
    [
        ("1\t100\trs1\tA\tG\t.\t.\t.\tGT\t0/0\t0/1\n", ["row 4", "11 fields", "12 as in"]),
        ("1\t1e2\trs1\tA\tG\t.\t.\t.\tGT\t0/0\t0/1\t0/0\n", ["'POS'", "row 4", "'1e2'"]),
        ("1\t100\trs1\tA\tG\t.\t.\t.\tGT\t0/0\t0/2\t0/0\n", ["'GT'", "'0/2'", "0 to 1"]),
        ("1\t100\trs1\tA\tG\t.\t.\t.\tGT\t0/0/1\t0/1\t0/0\n", ["'GT'", "'0/0/1'", "one or two"]),
        ("1\t1234567890123456\trs1\tA\tG\t.\t.\t.\tGT\t0/1\t0/1\t0/0\n", ["'POS'"]),
        ("1\t100\trs1\tA\tG\t.\t.\t.\tGT\t0/0\tA/A\t0/0\n", ["'GT'", "'A/A'", "bcftools"]),
    ],
)
def test_records_that_break_the_format(tmp_path: Path, record: str, words: list[str]) -> None:
    with pytest.raises(InputError) as failure:
        read_vcf(write(tmp_path, HEAD + record * 2 + "\n"))
    for word in ["x.vcf", *words, "1 more row like it"]:
        assert word in str(failure.value)


@pytest.mark.parametrize("value", ["2.5", "x", "1,1", "-0.5"])
def test_impossible_copies(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, HEAD + f"1\t1\trs1\tA\tG\t.\t.\t.\tDS\t{value}\t1\t1\n")
    told = f"'DS', row 4: found '{value}', expected 1 number between"
    with pytest.raises(InputError, match=told):
        read_vcf(path, field="DS")


@pytest.mark.parametrize(
    "text, words",
    [
        ("BCF\x02", "a BCF file.*bcftools view"),
        ("##fileformat=VCFv4.2\n", "no header line"),
        ("chrom\tpos\n", "row 1: found 'chrom.*begins with #CHROM"),
        ("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n", "no samples"),
        (HEAD.replace("\tb\t", "\ta\t"), "sample 'a' a second time"),
    ],
)
def test_headers_that_break_the_format(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_vcf(write(tmp_path, text))


def test_damaged_and_absent_files(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(gzip.compress((HEAD + RECORDS).encode())[:-20])
    with pytest.raises(InputError, match="damaged compressed data"):
        read_vcf(path)
    with pytest.raises(InputError, match="there is none"):
        read_vcf(tmp_path / "none.vcf")


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + RECORDS)
    with pytest.raises(ValueError, match="choose one of 'GT', 'DS'"):
        read_vcf(path, field="GP")
    with pytest.raises(ValueError, match="'z' not in x.vcf"):
        read_vcf(path, samples=["z"])


def test_the_field_is_found_where_nothing_is_declared(tmp_path: Path) -> None:
    header = HEAD.split("\n", 2)[2]
    line = "1\t100\trs1\tA\tG\t.\t.\t.\t{}\t1\t0\t1\n"
    for key, kind in (("GT", np.int8), ("DS", np.float32)):
        found = read_vcf(write(tmp_path, header + line.format(key)))
        assert found.dosage.dtype == kind
        assert found.take(np.arange(1)).tolist() == [[1.0, 0.0, 1.0]]
    with pytest.raises(InputError, match="no record with DS"):
        read_vcf(write(tmp_path, header + line.format("GT")), field="DS")


def test_blocks_that_are_missing_and_marks_that_are_not_needed(tmp_path: Path) -> None:
    text = (HEAD + RECORDS).encode()
    plain = read_vcf(write(tmp_path, "\ufeff" + HEAD + RECORDS))
    block = gzip.compress(text)
    extra = block[:3] + b"\x04" + block[4:10] + b"\x06\x00BC\x02\x00\x00\x00" + block[10:]
    path = tmp_path / "z.vcf.gz"
    path.write_bytes(extra + LAST_BLOCK)
    np.testing.assert_array_equal(read_vcf(path).dosage, plain.dosage)
    path.write_bytes(extra)
    with pytest.raises(InputError, match="last block is missing"):
        read_vcf(path)
