"""The effect of a variant on CXCL10 in activated cells that hold ambient RNA.

Seven decisions lead from the released counts to one regression of donor totals whose mean has an
ambient and a native part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.core.errors import AnalysisError
from refsolve.methods.ambient import (
    Contamination,
    DonorGroups,
    StateCall,
    activation_score,
    ambient_offset,
    ambient_shares,
    call_states,
    contamination_ratio,
    donor_contamination,
    donor_groups,
    native_exposure,
)
from refsolve.methods.count_glm import CountFit, Exposure, ambient_exposure, fit_counts

from . import beside, report
from .design import GENOTYPE, Design, designed
from .tables import (
    GENES,
    MARKERS,
    NULL_MARKER,
    TARGET,
    BoolArray,
    FloatArray,
    IntArray,
    Study,
    load,
)

__all__ = ["DECISIONS", "load", "solve"]

VALLEY = 0.01  # largest p value of a gap between the states
UNLIKE = 4.0  # times smaller than a cell: from there on a droplet's size tells which of both it is


@dataclass(frozen=True, slots=True, eq=False)
class Soup:
    """Ambient RNA.

    Attributes
    ----------
    share
        Of every gene, in the order of `GENES`; 0 throughout where none is believed in.
    se
        Standard errors.
    """

    share: FloatArray
    se: FloatArray

    def of(self, gene: str) -> float:
        """Share of one gene."""
        return float(self.share[GENES.index(gene)])


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The gene in question in every cell.

    Attributes
    ----------
    counts
        Counts; less the ambient ones where these are subtracted.
    ambient
        Expected ambient counts that are still part of them.
    share
        Ambient share of the gene, 0 where no ambient counts are left in them.
    """

    counts: FloatArray
    ambient: FloatArray
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Everything a regression needs.

    Attributes
    ----------
    study
        The study.
    rho
        Ambient share of every cell.
    active
        Cells that are asked about.
    target
        The gene in these.
    design
        Regressors of their donors.
    rho_se
        Standard error of the ambient share of the donors of the design.
    """

    study: Study
    rho: FloatArray
    active: BoolArray
    target: Target
    design: Design
    rho_se: FloatArray

    def totals(self, values: FloatArray) -> FloatArray:
        """Sums over the compared cells of every donor of the design."""
        return self.study.sums(np.where(self.active, values, 0.0))[self.design.donors]

    def cell_exposure(self) -> Exposure:
        """Native and ambient molecules of every compared cell."""
        total, rho = self.study.cells.total[self.active], self.rho[self.active]
        return ambient_exposure(total, rho, self.target.share)


@decision
def ambient_profile(study: Study) -> Found[Soup]:
    """Shares of all molecules of droplets without a cell."""
    kept = without_cells(study)
    found = ambient_shares(study.empties.counts[kept], study.empties.total[kept])
    because, facts = report.of_profile(found, study, int((~kept).sum()))
    return Found(Soup(found.share, found.se), because, **facts)


def without_cells(study: Study) -> BoolArray:
    """Droplets nearer in size to the others than to a cell; all where both are alike in size."""
    total = study.empties.total
    empty, cell = np.median(total), np.median(study.cells.total)
    if cell < UNLIKE * empty:
        return np.ones(total.size, dtype=np.bool_)
    return total < np.sqrt(empty * cell)


@decision
def contamination(study: Study, soup: Soup) -> Found[FloatArray]:
    """From the gene that monocytes do not make, cell by cell."""
    rho = per_cell(study, soup)
    because, facts = report.of_contamination(study, rho)
    return Found(rho, because, **facts)


def per_cell(study: Study, soup: Soup) -> FloatArray:
    """Ambient share of every cell; 0 where no ambient RNA is believed in."""
    if not soup.share.any():
        return np.zeros(study.code.size)
    return contamination_ratio(study.cells.of(NULL_MARKER), study.cells.total, null_share(soup))


def null_share(soup: Soup) -> float:
    """Ambient share of the gene that shows the contamination."""
    if soup.of(NULL_MARKER) == 0:
        raise AnalysisError(
            f"No empty droplet has {NULL_MARKER}, so that the contamination cannot be measured.",
            hint="The ambient RNA needs a gene that the cells do not make.",
        )
    return soup.of(NULL_MARKER)


@decision
def marker_correction(study: Study, soup: Soup, rho: FloatArray) -> Found[FloatArray]:
    """IFI6 and ISG15 up, LST1 down, each without its expected ambient counts."""
    score = scored(study, soup, rho)
    because, facts = report.of_score(score, scored(study, soup, 0.0 * rho))
    return Found(score, because, **facts)


def scored(study: Study, soup: Soup, rho: FloatArray) -> FloatArray:
    """Sum of the markers in the direction of activation, in counts of a cell of median size."""
    places = [GENES.index(gene) for gene in MARKERS]
    sign = np.array(list(MARKERS.values()))
    cells = study.cells
    return activation_score(
        cells.counts[:, places], cells.total, rho, soup.share[places], sign, scaled=True
    )


@decision
def state(study: Study, score: FloatArray) -> Found[BoolArray]:
    """Cells above the gap of the score."""
    call = called(score.tobytes())
    if not call.bimodal:
        raise AnalysisError(
            "No activated state can be told from the markers: their score has one mode only.",
            hint="The question needs cells of two states.",
        )
    because, facts = report.of_state(call, study)
    return Found(call.active, because, **facts)


@lru_cache(maxsize=8)  # the same along many paths
def called(score: bytes) -> StateCall:
    """States by the gap, or by a mixture where there is none."""
    values = np.frombuffer(score)
    call = call_states(values, method="gap", level=VALLEY)
    return call if call.p < VALLEY else call_states(values, method="mixture", level=VALLEY)


@decision
def target_correction(study: Study, soup: Soup, rho: FloatArray) -> Found[Target]:
    """Expected ambient counts are part of the mean; the counts stay as they are."""
    share = soup.of(TARGET)
    ambient = ambient_offset(study.cells.total, rho, share)
    because, facts = report.of_target(study, ambient, share)
    return Found(Target(study.cells.of(TARGET), ambient, share), because, **facts)


@decision
def technical_group(study: Study, rho: FloatArray, error_rate: float) -> Found[IntArray | None]:
    """Donors on either side of a gap in their mean contamination, if there is one."""
    mean = donor_means(study, rho)
    found = grouped(mean.tobytes(), error_rate)
    because, facts = report.of_groups(study, mean, found)
    return Found(found.code if found.n_groups > 1 else None, because, **facts)


def donor_means(study: Study, rho: FloatArray) -> FloatArray:
    """Ambient share of all molecules of every donor."""
    return study.sums(rho * study.cells.total) / study.sums(study.cells.total)


@lru_cache(maxsize=8)
def grouped(mean: bytes, error_rate: float) -> DonorGroups:
    """The test of the gap; two groups at most."""
    return donor_groups(np.frombuffer(mean), error_rate=error_rate, most=2)


@decision
def replicate(compared: Compared) -> Found[CountFit]:
    """Donor totals over their native molecules, with variation between donors."""
    fit = fitted(compared, None)
    because, facts = report.of_fit(compared.design, fit)
    return Found(fit, because, **facts)


def fitted(compared: Compared, native: FloatArray | None) -> CountFit:
    """Negative-binomial regression of donor totals.

    Parameters
    ----------
    compared
        What is compared.
    native
        Exposure of the donors; molecules that are not ambient where None.
    """
    design = compared.design
    if not donor_totals(compared).any():
        raise AnalysisError(
            f"No cell of the state has {TARGET} beyond its ambient counts.",
            hint="A rate ratio needs counts of the gene.",
        )
    return fit_counts(
        donor_totals(compared), design.matrix, exposure(compared, native), names=design.names
    )


def donor_totals(compared: Compared) -> FloatArray:
    """Counts of the gene in the compared cells of every donor of the design."""
    return np.maximum(compared.totals(compared.target.counts), 0.0)


def exposure(compared: Compared, native: FloatArray | None) -> Exposure:
    """Native and ambient molecules of the donors of a design."""
    cells, rho = compared.study.cells, compared.rho
    total = compared.totals(cells.total)
    mean = compared.totals(rho * cells.total) / total
    own = compared.totals(native_exposure(cells.total, rho)) if native is None else native
    share, se = compared.target.share, compared.rho_se
    return ambient_exposure(total, mean, share, rho_se=se, native=own)


DECISIONS = (
    ambient_profile,
    contamination,
    marker_correction,
    state,
    target_correction,
    technical_group,
    replicate,
)


def solve(case: Case, tables: Study, path: Walk) -> Solution:
    """Measure the ambient part, call the state, group the donors; then one regression."""
    soup = path.take(ambient_profile, tables)
    rho = path.take(contamination, tables, soup)
    score = path.take(marker_correction, tables, soup, rho)
    active = path.take(state, tables, score)
    target = path.take(target_correction, tables, soup, rho)
    group = path.take(technical_group, tables, rho, float(case.parameters["error_rate"]))
    compared = comparison(tables, soup, rho, active, target, group)
    fit = path.take(replicate, compared)
    effect = fit.row(GENOTYPE)
    found = {
        "score": score,
        "call": called(score.tobytes()),
        "soup": soup,
        "group": group,
        "groups": grouped(donor_means(tables, rho).tobytes(), float(case.parameters["error_rate"])),
    }
    # Along other paths the same would stand beside another answer, and nobody reads it there.
    straight = all(item.kind == "reference" for item in path.evidence)
    other = others(compared, found) if straight else {}
    return Solution(
        answer={"beta_activated": effect.effect},
        intervals={"beta_activated": (effect.low, effect.high)},
        diagnostics=report.diagnostics(compared, group, fit, other),
        artefacts={"study": tables, "compared": compared, "fit": fit, **found, **other},
    )


def others(compared: Compared, found: dict[str, Any]) -> dict[str, Any]:
    """What stands beside the answer."""
    y, own = donor_totals(compared), exposure(compared, None)
    design, study = compared.design, compared.study
    return {
        "edges": edges(compared, found),
        "sensitivity": beside.of_contamination(y, design, own),
        "mixed": beside.mixed_model(y, design, own),
        "confounding": beside.of_group(study, found["group"]),
        "gate": beside.gate(study, compared.active),
    }


def edges(compared: Compared, found: dict[str, Any]) -> dict[str, float | None]:
    """The estimate with the boundary of the states at either edge of the gap."""
    call, score = found["call"], found["score"]
    if compared.active.all() or not call.ambiguous:
        return {}
    cuts = {"low": score > call.low, "high": score >= call.high}
    results = {}
    for name, active in cuts.items():
        at = (compared.study, found["soup"], compared.rho, active, compared.target, found["group"])
        fit = beside.unless_impossible(lambda at=at: fitted(comparison(*at), None))
        results[name] = None if fit is None else fit.row(GENOTYPE).effect
    return results


def comparison(
    study: Study,
    soup: Soup,
    rho: FloatArray,
    active: BoolArray,
    target: Target,
    group: IntArray | None,
) -> Compared:
    """The cells of the state with the design of their donors."""
    seen = study.sums(active.astype(np.float64)) > 0
    design = designed(study, seen, group)
    return Compared(study, rho, active, target, design, rho_errors(study, soup, active, design))


def rho_errors(study: Study, soup: Soup, active: BoolArray, design: Design) -> FloatArray:
    """Standard errors of the ambient share of the compared cells, donor by donor."""
    if not soup.of(NULL_MARKER):
        return np.zeros(design.donors.size)
    return measured_donors(study, soup, active).se


def measured_donors(study: Study, soup: Soup, cells: BoolArray | None = None) -> Contamination:
    """Ambient share of the donors of some cells, or of all."""
    kept = np.ones(study.code.size, dtype=np.bool_) if cells is None else cells
    return donor_contamination(
        study.cells.of(NULL_MARKER)[kept],
        study.cells.total[kept],
        study.donors["donor"].to_numpy()[study.code[kept]],
        null_share(soup),
        share_se=float(soup.se[GENES.index(NULL_MARKER)]),
    )
