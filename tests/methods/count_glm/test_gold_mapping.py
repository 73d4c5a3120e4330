"""Scans of the stored donors, from arrays and from files, against jaxQTL 0.3.1 and quasar 1.1.0."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refsolve.io.plink import open_plink
from refsolve.io.vcf import read_vcf
from refsolve.methods.count_glm import CisMap, map_cis

GOLD = Path(__file__).parents[2] / "gold" / "ambient_count_glm"
JAXQTL, QUASAR = "out_jaxqtl_score.csv", "out_quasar_{}-quasar-cis-variant.txt"


@cache
def scan(dispersion: str) -> CisMap:
    """All 400 tests of 20 genes in 100 donors, genotypes from the .bed file."""
    genes = pd.read_csv(GOLD / "pb_small" / "pheno.bed", sep="\t", dtype={"#chr": str})
    covariates = pd.read_csv(GOLD / "pb_small" / "cov.tsv", sep="\t", index_col=0)
    donors = list(genes.columns[4:])
    x = np.column_stack([np.ones(len(donors)), covariates.loc[donors]])
    return map_cis(
        genes[donors].to_numpy(), open_plink(GOLD / "pb_small" / "geno"), x, donors=donors,
        gene_chromosome=genes["#chr"], gene_position=genes["end"], genes=genes["phenotype_id"],
        family="negative_binomial", dispersion=dispersion, window=500_000,
    )  # fmt: skip


def merged(name: str, dispersion: str, effect_of: str) -> pd.DataFrame:
    theirs = pd.read_csv(GOLD / name, sep=None, engine="python")
    keys = {"phenotype_id": "gene", "feature_id": "gene", "pvalue": "p_peer", "beta": "effect_peer"}
    theirs = theirs.rename(columns=keys)[["gene", "pos", "p_peer", "effect_peer", effect_of]]
    return (
        scan(dispersion)
        .to_frame()
        .merge(theirs, left_on=["gene", "position"], right_on=["gene", "pos"])
    )


def test_all_tests_of_jaxqtl() -> None:
    """The peer stops its search for the dispersion early."""
    both = merged(JAXQTL, "profile", "a1")
    assert len(both) == len(scan("profile").test_p) == 400
    assert (both["effect_allele"] == both["a1"]).all()
    gap = np.log10(both["p"]) - np.log10(both["p_peer"])
    np.testing.assert_allclose(gap, 0.0, rtol=0, atol=3e-3)
    np.testing.assert_allclose(both["effect"], both["effect_peer"], rtol=0, atol=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mle", "apl"])
def test_quasar_counts_the_other_allele_and_loses_the_ends_of_files(kind: str) -> None:
    """Both of its outputs have the adjusted dispersion (they are the same bytes)."""
    both = merged(QUASAR.format(kind), "adjusted", "alt")
    assert len(both) == 378
    lost = scan("adjusted").to_frame().merge(both, how="left", on=["gene", "position"])
    lost = lost[lost["p_peer"].isna()]
    assert len(lost) == 22
    ends = lost.groupby("gene")["position"]
    assert (ends.nunique() <= 2).all()
    np.testing.assert_allclose(both["effect"], -both["effect_peer"], rtol=0, atol=2e-3)
    np.testing.assert_allclose(np.log10(both["p"]), np.log10(both["p_peer"]), rtol=0, atol=0.04)


def test_statsmodels_fits_of_the_causal_variants() -> None:
    known = pd.read_csv(GOLD / "out_statsmodels_nb.csv")
    found = scan("profile")
    rows = known["gene"].to_numpy(int) * 20 + known["causal_snp"].to_numpy(int)
    statistic = (found.test_effect / found.test_se)[rows] ** 2
    np.testing.assert_allclose(statistic, known["score_chi2"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        found.test_effect[rows], known["score_onestep_beta"], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(found.dispersion, known["null_alpha"], rtol=0, atol=1e-6)


def test_a_vcf_file_gives_the_same_scan(tmp_path: Path) -> None:
    """Its effects are per copy of ALT, here the allele that the .bed file counts."""
    bed = open_plink(GOLD / "pb_small" / "geno", region="1")
    genes = pd.read_csv(GOLD / "pb_small" / "pheno.bed", sep="\t", dtype={"#chr": str})
    donors = list(genes.columns[4:])
    calls = np.array(["0/0", "0|1", "1/1"])[bed.take(np.arange(bed.n_variants)).astype(int)]
    lines = [
        "\t".join([c, str(p), ".", ref, alt, ".", ".", ".", "GT", *row])
        for c, p, ref, alt, row in zip(
            bed.chromosome, bed.position, bed.other_allele, bed.effect_allele, calls, strict=True
        )
    ]
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    text = "\n".join(["##fileformat=VCFv4.2", "\t".join([*fixed, *donors]), *lines, ""])
    (tmp_path / "g.vcf").write_text(text)
    called = read_vcf(tmp_path / "g.vcf", samples=donors[::-1])
    scans = [
        map_cis(
            genes[donors].to_numpy(), source, np.ones((len(donors), 1)), donors=donors,
            gene_chromosome=genes["#chr"], gene_position=genes["end"], window=500_000,
        )
        for source in (called, bed)
    ]  # fmt: skip
    assert scans[0].test_p.size == 20
    np.testing.assert_allclose(scans[0].test_effect, scans[1].test_effect, rtol=0, atol=1e-10)
    assert list(scans[0].effect_allele) == list(scans[1].effect_allele)
