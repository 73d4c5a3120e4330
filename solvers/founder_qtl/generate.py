"""Cases of recombinant inbred lines of eight founders, with the QTL and its high founder.

Along a line the founder changes as a Markov chain does; what the truth needs is drawn before any
marker is typed, flipped or lost.

Why every decision matters in the default case: all files are in an order of their own; near the QTL
another founder has the alleles of the high one, except at the markers that are flipped; the markers
that single out the high founder lie beside the QTL, and those at it do not; one batch is high, and
most of its lines carry a third founder a few cM beside the QTL, while lines of the high founder are
rare in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import UsageError

FOUNDERS = tuple(f"F{k}" for k in range(1, 9))
K = len(FOUNDERS)
CODES, PATTERNS = ("numbers", "words"), ("beside", "anywhere", "adjacent", "ends")
WORDS = ("north", "spring", "east", "rerun", "autumn", "west", "second", "late", "pilot", "south")
OTHERS = 0.35  # share of lines of an ordinary founder in the high batch
LOCI = 4  # background loci on each further chromosome
DENSE = 5.0  # cM on either side of the QTL
RARE = 2  # founders near the QTL that have another allele than the high one
TAGGED = (5.0, 10.0)  # cM from the QTL to markers of the high founder alone
FEW = 5  # batches from here on have few lines each


def _knob(default: float | bool | str, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    lines: int = _knob(220, "recombinant inbred lines")
    chromosomes: int = _knob(2, "number of chromosomes")
    markers: int = _knob(60, "markers of chromosome 1")
    dense: int = _knob(8, "further markers within 5 cM of the QTL")
    markers_elsewhere: int = _knob(20, "markers of every other chromosome")
    length: float = _knob(100.0, "cM of a chromosome")
    expansion: float = _knob(8.0, "changes of founder per Morgan, silent ones included")
    high_founder: str = _knob("random", "founder of the high allele, F1 to F8, or random")
    place: float = _knob(0.5, "QTL, as a share of the length of chromosome 1")
    place_spread: float = _knob(0.18, "it is drawn from place ± this")
    effect: float = _knob(3.4, "high allele, in SDs of the residuals")
    other_effects: float = _knob(0.1, "SD of the other founders' effects, as a share of effect")
    background: float = _knob(0.5, "SD of what other chromosomes do, in SDs of the residuals")
    twin: float = _knob(5.0, "cM around the QTL where another founder has the high one's alleles")
    tags: int = _knob(4, "markers farther away that only the high founder's allele marks")
    flipped: int = _knob(3, "markers of chromosome 1 with exchanged founder alleles")
    pattern: str = _knob("beside", "flipped markers: beside the QTL, anywhere, adjacent or ends")
    flipped_elsewhere: int = _knob(1, "such markers on other chromosomes")
    error: float = _knob(0.006, "wrong calls")
    missing: float = _knob(0.02, "calls that are missing")
    monomorphic: float = _knob(0.03, "share of markers at which founders do not differ")
    batches: int = _knob(4, "batches, 1 to 10; 1 has no effect")
    batch_effect: float = _knob(13.0, "high batch, in SDs of the residuals")
    batch_place: float = _knob(9.0, "cM from the QTL to where founders tell the batch")
    batch_link: float = _knob(0.95, "share of lines of one founder there that are in the batch")
    batch_codes: str = _knob("numbers", "numbers or words")
    covariates: int = _knob(1, "numeric covariates")
    covariate_effect: float = _knob(0.5, "of each, in SDs of the residuals")
    unmeasured: float = _knob(0.03, "lines with a missing phenotype")
    unlisted: int = _knob(4, "lines that were typed and are not in the table of phenotypes")
    prefix: str = _knob("", "what chromosome names begin with")
    missing_call: str = _knob("-1", "-1 or nan")
    transposed: bool = _knob(False, "genotypes as markers by lines")
    clean: bool = _knob(False, "no flipped marker, no twin, no error, no batch effect")
    aliases: bool = _knob(False, "use aliases of columns and arrays")
    extra_columns: bool = _knob(False, "add columns that nobody asked for")
    shuffle: bool = _knob(True, "rows and columns in any order")

    def __post_init__(self) -> None:
        checks = {
            "high_founder is random or F1 to F8": self.high_founder in ("random", *FOUNDERS),
            "batches is 1 to 10": 1 <= self.batches <= len(WORDS),
            "lines is at least 20": self.lines >= 20,
            "chromosomes is at least 1": self.chromosomes >= 1,
            "markers is at least 2 and markers_elsewhere at least 1": self.markers >= 2
            and self.markers_elsewhere >= 1,
            f"batch_codes is one of {CODES}": self.batch_codes in CODES,
            f"pattern is one of {PATTERNS}": self.pattern in PATTERNS,
            "missing_call is -1 or nan": self.missing_call in ("-1", "nan"),
            "place is 0 to 1": 0 <= self.place <= 1,
        }
        for rule, kept in checks.items():
            if not kept:
                raise UsageError(f"{rule}.")


@dataclass(frozen=True)
class Roles:
    """Which founder plays which part, and where."""

    high: int
    twin: int
    decoy: int
    qtl: float
    batch_at: float


@dataclass(frozen=True)
class Panel:
    """Markers in order, the founders' true alleles, and which rows are released flipped."""

    chromosome: np.ndarray
    position: np.ndarray
    alleles: np.ndarray
    flipped: np.ndarray


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Draw a case; the truth is the position and the founder that phenotypes were made with."""
    roles = _roles(knobs, rng)
    panel = _panel(knobs, roles, rng)
    founder, at_qtl, at_batch = _lines(knobs, panel, roles, rng)
    calls = _calls(knobs, panel, founder, rng)
    background = _background(knobs, panel, founder, rng)
    phenotypes = _phenotypes(knobs, roles, at_qtl, at_batch, background, rng)
    tables = _released(knobs, panel, calls, phenotypes, rng)
    answer = {"qtl_pos_cM": roles.qtl, "high_founder": FOUNDERS[roles.high]}
    names = _marker_names(panel)
    latent = {
        "flipped": names[panel.flipped].tolist(),
        "twin": FOUNDERS[roles.twin],
        "batch_founder": FOUNDERS[roles.decoy],
        "batch_cM": roles.batch_at,
        "changes_per_line": float((np.diff(founder, axis=1) != 0).sum(axis=1).mean()),
    }
    return GeneratedCase(tables, answer, latent=latent)


def _roles(knobs: Knobs, rng: np.random.Generator) -> Roles:
    order = rng.permutation(K)
    if knobs.high_founder != "random":
        high = FOUNDERS.index(knobs.high_founder)
        order = np.r_[high, order[order != high]]
    share = np.clip(knobs.place + knobs.place_spread * rng.uniform(-1, 1), 0.0, 1.0)
    qtl = round(float(share) * knobs.length, 3)
    side = -1 if qtl > knobs.length / 2 else 1
    batch_at = float(np.clip(qtl + side * knobs.batch_place, 0, knobs.length))
    return Roles(int(order[0]), int(order[1]), int(order[2]), qtl, batch_at)


def _panel(knobs: Knobs, roles: Roles, rng: np.random.Generator) -> Panel:
    counts = [knobs.markers + knobs.dense]
    counts += [knobs.markers_elsewhere] * (knobs.chromosomes - 1)
    chromosome = np.repeat(np.arange(1, knobs.chromosomes + 1), counts)
    n = chromosome.size
    position = rng.uniform(0, knobs.length, n)
    position[: knobs.dense] = roles.qtl + rng.uniform(-DENSE, DENSE, knobs.dense)
    position = np.round(np.clip(position, 0, knobs.length), 3)
    order = np.lexsort([position, chromosome])
    chromosome, position = chromosome[order], position[order]
    alleles = (rng.random((n, K)) < rng.uniform(0.3, 0.7, (n, 1))).astype(np.int64)
    alike = alleles.min(axis=1) == alleles.max(axis=1)
    alleles[alike] = rng.permuted(np.tile(np.arange(K) % 2, (int(alike.sum()), 1)), axis=1)
    flipped = np.zeros(n, dtype=bool)
    if not knobs.clean:
        distance = np.where(chromosome == 1, np.abs(position - roles.qtl), np.inf)
        flipped = _flips(knobs, chromosome, distance, rng)
        _mislead(knobs, roles, alleles, distance, flipped, rng)
    dull = ~flipped & (rng.random(n) < knobs.monomorphic)
    alleles[dull] = rng.integers(2, size=(int(dull.sum()), 1))
    return Panel(chromosome, position, alleles, flipped)


def _mislead(
    knobs: Knobs,
    roles: Roles,
    alleles: np.ndarray,
    distance: np.ndarray,
    flipped: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Near the QTL many share the high founder's allele, and one all but the flipped; not so far.

    A marker that only the high founder's allele marks then lies beside the QTL, and not at it.
    """
    near = distance < knobs.twin
    others = [f for f in range(K) if f not in (roles.high, roles.twin)]
    for j in np.flatnonzero(near):
        alleles[j, rng.permutation(others)] = alleles[j, roles.high] ^ (np.arange(K - 2) < RARE)
        alleles[j, roles.twin] = alleles[j, roles.high] ^ int(flipped[j])
    far = np.flatnonzero((distance >= TAGGED[0]) & (distance < TAGGED[1]) & ~flipped)
    tags = rng.permutation(far)[: knobs.tags]
    alleles[tags] = 1 - alleles[tags, roles.high][:, None]
    alleles[tags, roles.high] ^= 1


def _flips(
    knobs: Knobs, chromosome: np.ndarray, distance: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    marks = np.zeros(chromosome.size, dtype=bool)
    first = np.flatnonzero(chromosome == 1)
    count = min(knobs.flipped, first.size)
    start = int(rng.integers(first.size - count + 1))
    middle = int(np.clip(np.argmin(distance[first]) - count + 1, 0, max(first.size - 2 * count, 0)))
    chosen = {
        "beside": first[middle : middle + 2 * count : 2][:count],
        "anywhere": rng.permutation(first)[:count],
        "adjacent": first[start : start + count],
        "ends": np.r_[first[: (count + 1) // 2], first[first.size - count // 2 :]],
    }[knobs.pattern]
    others = np.flatnonzero(chromosome > 1)
    marks[np.r_[chosen, rng.permutation(others)[: knobs.flipped_elsewhere]]] = True
    return marks


def _lines(
    knobs: Knobs, panel: Panel, roles: Roles, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Founders of all lines at the markers, at the QTL, and where the batch is told."""
    parts = []
    for c in range(1, knobs.chromosomes + 1):
        place = panel.position[panel.chromosome == c]
        if c > 1:
            parts.append(_chain(place, knobs, rng))
            continue
        places = np.r_[place, roles.qtl, roles.batch_at]
        order = np.argsort(places, kind="stable")
        found = np.empty((knobs.lines, places.size), dtype=np.int64)
        found[:, order] = _chain(places[order], knobs, rng)
        parts.append(found[:, :-2])
        at_qtl, at_batch = found[:, -2], found[:, -1]
    return np.hstack(parts), at_qtl, at_batch


def _chain(position: np.ndarray, knobs: Knobs, rng: np.random.Generator) -> np.ndarray:
    found = rng.integers(K, size=(knobs.lines, position.size))
    change = 1 - np.exp(-knobs.expansion * np.diff(position) / 100)
    for j in range(1, position.size):
        stay = rng.random(knobs.lines) >= change[j - 1]
        found[stay, j] = found[stay, j - 1]
    return found


def _calls(knobs: Knobs, panel: Panel, founder: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    calls = panel.alleles[np.arange(panel.position.size), founder]
    wrong = rng.random(calls.shape) < (0 if knobs.clean else knobs.error)
    calls = np.where(wrong, 1 - calls, calls)
    return np.where(rng.random(calls.shape) < knobs.missing, -1, calls)


def _background(
    knobs: Knobs, panel: Panel, founder: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """What the other chromosomes add to the phenotype."""
    others = np.flatnonzero(panel.chromosome > 1)
    if not others.size or knobs.background == 0:
        return np.zeros(knobs.lines)
    loci = rng.choice(others, LOCI * (knobs.chromosomes - 1))
    total = sum(rng.normal(size=K)[founder[:, j]] for j in loci)
    return np.asarray(knobs.background * (total - np.mean(total)) / np.std(total))


def _phenotypes(
    knobs: Knobs,
    roles: Roles,
    at_qtl: np.ndarray,
    at_batch: np.ndarray,
    background: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = knobs.lines
    effect = rng.normal(0, knobs.other_effects, K)
    effect[roles.high] = 1.0
    y = knobs.effect * effect[at_qtl] + background + rng.normal(size=n)
    batch, shift = _batches(knobs, roles, at_batch, rng)
    frame = pd.DataFrame({"line_id": [f"RIL{i + 1:03d}" for i in range(n)]})
    frame["phenotype"] = np.round(y + shift + 10, 4)
    frame["batch"] = batch
    for k in range(knobs.covariates):
        value = np.round(rng.normal(50, 9, n), 2)
        name = ("age", "mass", "height")[k] if k < 3 else f"covariate{k + 1}"
        frame[name] = value
        frame["phenotype"] += np.round(knobs.covariate_effect * (value - 50) / 9, 4)
    if knobs.extra_columns:
        frame["comment"] = rng.choice(["ok", "late", ""], n)
    frame.loc[rng.random(n) < knobs.unmeasured, "phenotype"] = np.nan
    return frame.iloc[np.sort(rng.permutation(n)[: n - knobs.unlisted])]


def _batches(
    knobs: Knobs, roles: Roles, at_batch: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of batches, and what they add; the high one is neither the first nor the last."""
    share = np.full(K, OTHERS)
    share[roles.decoy], share[roles.high] = knobs.batch_link, 1 - knobs.batch_link
    high = 1 if knobs.batches < FEW else int(rng.integers(1, knobs.batches - 1))
    rest = [k for k in range(knobs.batches) if k != high] or [high]
    inside = rng.random(at_batch.size) < share[at_batch]
    code = np.where(inside & (knobs.batches > 1), high, rng.choice(rest, at_batch.size))
    effect = rng.normal(0, 0.1 * knobs.batch_effect, knobs.batches)
    effect[high % knobs.batches] = knobs.batch_effect
    if knobs.clean or knobs.batches == 1:
        effect[:] = 0
    label = np.array(WORDS) if knobs.batch_codes == "words" else np.arange(1, len(WORDS) + 1)
    return label[code], effect[code]


def _marker_names(panel: Panel) -> np.ndarray:
    n = panel.position.size
    return np.array([f"m{7919 * (j + 1) % 10_007:05d}" for j in range(n)]) if n < 10_007 else (
        np.array([f"m{j:07d}" for j in range(n)])
    )  # fmt: skip


def _released(
    knobs: Knobs, panel: Panel, calls: np.ndarray, phenotypes: pd.DataFrame, rng: Any
) -> dict[str, Any]:
    names = _marker_names(panel)
    chart = pd.DataFrame(
        {
            "marker_id": names,
            "chr": [f"{knobs.prefix}{c}" for c in panel.chromosome],
            "pos_cM": panel.position,
        }
    )
    told = np.where(panel.flipped[:, None], 1 - panel.alleles, panel.alleles)
    founders = pd.DataFrame({"marker_id": names} | dict(zip(FOUNDERS, told.T, strict=True)))
    lines = np.array([f"RIL{i + 1:03d}" for i in range(knobs.lines)])
    if knobs.shuffle:
        chart, founders, phenotypes = (
            f.sample(frac=1, random_state=rng) for f in (chart, founders, phenotypes)
        )
        rows, columns = rng.permutation(lines.size), rng.permutation(names.size)
        calls, lines, names = calls[np.ix_(rows, columns)], lines[rows], names[columns]
    matrix = calls.T if knobs.transposed else calls
    coded = np.where(matrix < 0, np.nan, matrix) if knobs.missing_call == "nan" else matrix
    archive = {"genotypes": coded.astype(np.float32 if knobs.missing_call == "nan" else np.int8)}
    archive |= {"line_id": lines, "marker_id": names}
    if knobs.extra_columns:
        chart = chart.assign(panel="array")
    if knobs.aliases:
        archive = {{"genotypes": "G", "line_id": "lines", "marker_id": "markers"}[key]: array
                   for key, array in archive.items()}  # fmt: skip
        phenotypes = phenotypes.rename(columns={"line_id": "sample_id", "phenotype": "trait"})
    return {
        "markers": chart,
        "founders": founders,
        "ril_genotypes": archive,
        "phenotypes": phenotypes,
    }
