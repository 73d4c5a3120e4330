"""What else one might decide, and what it does to the answer.

Signs are those of the default case: the fractions of the parents lie on both sides of 1/2, and the
older pulse belongs to the larger one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from refsolve.contract.decisions import Found, alternative
from refsolve.methods.tracts import (
    LabelRepair,
    PathCounts,
    Tracts,
    count_paths,
    exchanged,
    find_islands,
    infer_inversions,
    merge_islands,
    repair_labels,
)

from .solve import Cleaned, Exposure, exposure, islands, labels, path, time
from .tables import BoolArray, FloatArray, Study


@alternative(islands)
def keep(study: Study, numbers: Mapping[str, float]) -> Found[Cleaned]:
    """Wrong: every island within a tract adds two switches (time too high)."""
    none = np.zeros(study.tracts.n_tracts, dtype=bool)
    return Found(Cleaned(study.tracts, none), "All calls are kept as they are.", islands=0)


@alternative(islands)
def drop_length(study: Study, numbers: Mapping[str, float]) -> Found[Cleaned]:
    """Wrong: what the flanks lose makes the major ancestry, and mostly the time, too low."""
    island = islands(study, numbers).value.island
    because = f"{int(island.sum())} islands are deleted together with their length."
    return Found(Cleaned(study.tracts.kept(~island), island), because, islands=int(island.sum()))


@alternative(islands)
def by_fixed_numbers(study: Study, numbers: Mapping[str, float]) -> Found[Cleaned]:
    """Defensible: cuts that were fixed beforehand, in place of the gap that the data show."""
    calls = study.tracts
    poor = calls.posterior < numbers["island_posterior"]
    poor &= calls.low_complexity > numbers["island_low_complexity"]
    suspect = poor & (calls.length < numbers["island_morgan"])
    cleaned = Cleaned(merge_islands(calls, suspect), find_islands(calls, suspect))
    count = int(cleaned.island.sum())
    return Found(cleaned, f"{count} calls beyond fixed cuts are merged.", islands=count)


@alternative(labels)
def as_called(tracts: Tracts, limit: float, names: Sequence[str]) -> Found[LabelRepair]:
    """Wrong: an inverted chromosome draws fractions towards 1/2 and makes times too low."""
    found = labelled(tracts, np.zeros(len(names), dtype=bool))
    return Found(found, "The labels of all chromosomes are left as called.", inverted=[])


@alternative(labels)
def one_haplotype_is_enough(
    tracts: Tracts, limit: float, names: Sequence[str]
) -> Found[LabelRepair]:
    """Wrong: chance makes one haplotype unusual, both are flipped (away from the truth)."""
    unusual = (infer_inversions(tracts).log_ratio_of_haplotype > 0).any(axis=0)
    chosen = [name for name, yes in zip(names, unusual, strict=True) if yes]
    because = f"A and B are exchanged wherever one haplotype looks unusual: {', '.join(chosen)}."
    return Found(labelled(tracts, unusual), because, inverted=chosen)


@alternative(labels)
def likelier_labels(tracts: Tracts, limit: float, names: Sequence[str]) -> Found[LabelRepair]:
    """Defensible: the likelier labels, however small the ratio; no prior odds against inversion."""
    likelier = infer_inversions(tracts).inverted
    chosen = [name for name, yes in zip(names, likelier, strict=True) if yes]
    because = f"The likeliest labels of all chromosomes exchange A and B on: {', '.join(chosen)}."
    return Found(labelled(tracts, likelier), because, inverted=chosen)


def labelled(tracts: Tracts, inverted: BoolArray) -> LabelRepair:
    """Tracts with A and B exchanged on some chromosomes, and the evidence that there is."""
    evidence = repair_labels(tracts)
    return replace(evidence, tracts=exchanged(tracts, inverted), inverted=inverted)


@alternative(path)
def terminated_at_gaps(tracts: Tracts, names: Sequence[str]) -> Found[PathCounts]:
    """Wrong: switches hidden in gaps are not counted (time too low)."""
    counts = count_paths(tracts, gaps="cut")
    switches = dict(zip(names, counts.n_switches.tolist(), strict=True))
    return Found(counts, "Every gap ends the path.", switches=switches)


@alternative(exposure)
def called_span_for_both(
    counts: PathCounts, map_length: float, names: Sequence[str]
) -> Found[Exposure]:
    """Wrong: switches in gaps are counted in a span without the gaps (time too high)."""
    called = counts.exposure.sum(axis=1)
    because = "Fraction and switches are both taken over the called span."
    return Found(Exposure(counts.fraction[:, 0], called), because, called=called)


@alternative(exposure)
def map_for_both(counts: PathCounts, map_length: float, names: Sequence[str]) -> Found[Exposure]:
    """Wrong: what is not called counts as B (fractions too low)."""
    fraction = counts.exposure[:, 0] / map_length
    because = "Fraction and switches are both taken over the full map."
    return Found(Exposure(fraction, np.full(fraction.size, map_length)), because, map=map_length)


@alternative(time)
def mean_tract_length(
    counts: PathCounts, over: Exposure, names: Sequence[str]
) -> Found[FloatArray]:
    """Wrong: one over the mean tract length ignores that most breakpoints are unseen (too low)."""
    tracts = counts.n_switches + counts.first.sum(axis=1)
    t = tracts / over.span
    return Found(t, "t is one over the mean length of a tract.", tracts=tracts)


@alternative(time)
def one_more(counts: PathCounts, over: Exposure, names: Sequence[str]) -> Found[FloatArray]:
    """Wrong: a generation is added for the founders (time too high by 1)."""
    t = time(counts, over, names).value + 1
    return Found(t, "One generation is added to N / (2m(1 − m)L).", t=t)
