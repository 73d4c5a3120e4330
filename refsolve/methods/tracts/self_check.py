"""Every kernel of the method held against the textbook, on a haplotype of a few chromosomes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.tracts import textbook
from refsolve.methods.tracts.kernels import chains, labels, paths, pulse
from refsolve.methods.tracts.model.container import SLACK
from refsolve.methods.tracts.model.demography import chain, pulses
from refsolve.methods.tracts.textbook.pulse import exchanged

ROUNDING = 1e-12
DIFFERENCE = 1e-5  # of central differences with a step of 1e-6
SEARCH = 1e-8

S, M = 7.0, 0.35
STEP = 1e-6
LENGTHS = np.array([1.0, 0.8])
# One haplotype, two chromosomes; a gap with a switch on the first, one without on the second.
HAPLOTYPE = np.zeros(6, np.int32)
CHROMOSOME = np.array([0, 0, 0, 1, 1, 1], np.int32)
START = np.array([0.0, 0.3, 0.5, 0.0, 0.2, 0.6])
END = np.array([0.3, 0.45, 1.0, 0.15, 0.6, 0.8])
ANCESTRY = np.array([1, 0, 1, 1, 1, 0], np.int8)
NO_LABEL, NO_LENGTH = np.zeros(0, np.int8), np.zeros(0)
BEFORE, BEHIND = np.array([0, 1], np.int8), np.array([1, 1], np.int8)
GAP = np.array([0.05, 0.05])

Array = pulse.Array


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked(_CHECKS)


def _paths() -> list[textbook.Path]:
    out = []
    for c in (0, 1):
        here = CHROMOSOME == c
        out.append(textbook.Path(START[here], END[here], ANCESTRY[here].astype(np.int64)))
    return out


def _statistics(gaps: str = "carry") -> textbook.Statistics:
    return textbook.pool([textbook.statistics(path, 2, gaps) for path in _paths()])  # type: ignore[arg-type]


def _flat(stats: textbook.Statistics) -> Array:
    n = stats.switches
    return np.array([*stats.exposure, n[0, 1], n[1, 0], *stats.first], np.float64)


def _none(x: Array) -> tuple[Array, pulse.Label, pulse.Label, Array, int, int, Array]:
    return x, NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, np.empty(6)


def _cut() -> textbook.Statistics:
    """Statistics without what the two gaps do: neither switches nor beginnings."""
    cut = _statistics("cut")
    return textbook.Statistics(cut.exposure, cut.switches, np.array([0, 2]))


# Paths


def _first_fault() -> float:
    found = [paths.first_fault(HAPLOTYPE, CHROMOSOME, START, END, LENGTHS, SLACK)[0]]
    for column, value in ((START, np.nan), (START, 0.7), (START, -0.1), (END, 1.1)):
        start, end = START.copy(), END.copy()
        (start if column is START else end)[1] = value
        found.append(paths.first_fault(HAPLOTYPE, CHROMOSOME, start, end, LENGTHS, SLACK)[0])
    order = np.array([1, 0, 2, 3, 4, 5])
    found.append(
        paths.first_fault(HAPLOTYPE, CHROMOSOME, START[order], END[order], LENGTHS, SLACK)[0]
    )
    kinds = (paths.SOUND, paths.NOT_FINITE, paths.EMPTY, paths.BEFORE_MAP, paths.BEYOND_MAP)
    return gap(found, [*kinds, paths.DISORDER])


def _first_overlap() -> float:
    longer = END.copy()
    longer[3] = 0.3
    found = [paths.first_overlap(HAPLOTYPE, CHROMOSOME, START, end, SLACK) for end in (END, longer)]
    return gap(found, [-1, 4])


def _count_paths() -> float:
    gaps = []
    for rule, word in ((paths.CARRY, "carry"), (paths.CUT, "cut")):
        exposure, switches, first = np.zeros((1, 2)), np.zeros((1, 2, 2)), np.zeros((1, 2))
        nowhere = (np.full(1, -1, np.int32), np.zeros(1, np.int8), np.zeros(1))
        n, bad = paths.count_paths(
            HAPLOTYPE, CHROMOSOME, START, END, ANCESTRY, np.zeros(1, np.int64),
            np.zeros(2, np.int64), rule, SLACK, *nowhere, exposure, switches, first,
        )  # fmt: skip
        want = _statistics(word)
        gaps += [gap(exposure[0], want.exposure), gap(switches[0], want.switches)]
        gaps += [gap(first[0], want.first), gap((n, bad), (2, -1))]
    return max(gaps)


def _list_gaps() -> float:
    after = np.empty(2, np.int64)
    paths.list_gaps(HAPLOTYPE, CHROMOSOME, START, END, SLACK, after)
    return gap(after, [2, 4])


# One pulse


def _times_log() -> float:
    return gap([pulse.times_log(0.0, 0.0), pulse.times_log(2.0, M)], [0.0, 2.0 * np.log(M)])


def _value(s: float, m: float) -> float:
    """Log-likelihood with the gaps crossed exactly."""
    links = textbook.pulse_chain(s, [m, 1.0 - m])
    return float(sum(textbook.aggregated_log_likelihood(path, links) for path in _paths()))


def _derivatives() -> Array:
    """Value and central differences, in the order of the kernels."""

    def of_rate(m: float) -> float:
        return (_value(S + STEP, m) - _value(S - STEP, m)) / (2.0 * STEP)

    of_fraction = (_value(S, M + STEP) - _value(S, M - STEP)) / (2.0 * STEP)
    wide = 1e-3
    ss = (_value(S + wide, M) - 2.0 * _value(S, M) + _value(S - wide, M)) / wide**2
    mm = (_value(S, M + wide) - 2.0 * _value(S, M) + _value(S, M - wide)) / wide**2
    sm = (of_rate(M + wide) - of_rate(M - wide)) / (2.0 * wide)
    return np.array([_value(S, M), of_rate(M), of_fraction, ss, sm, mm])


def _relative(got: Array, want: Array) -> float:
    return gap(got / want, 1.0)


def _log_likelihood() -> float:
    out = np.empty(6)
    pulse.log_likelihood(S, M, _flat(_cut()), BEFORE, BEHIND, GAP, 0, 2, out)
    want = _derivatives()
    return max(_relative(out[:3], want[:3]), 1e-2 * _relative(out[3:], want[3:]))


def _gap_terms() -> float:
    out, without = np.zeros(6), np.empty(6)
    pulse.gap_terms(S, M, BEFORE, BEHIND, GAP, 0, 2, out)
    pulse.log_likelihood(S, M, _flat(_cut()), NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, without)
    return gap((out + without)[0], _value(S, M))


def _fraction_without_gaps() -> float:
    stats = _statistics()
    x = _flat(stats)
    got = pulse.fraction_without_gaps(S, x[4] + x[3], x[5] + x[2], x[0] - x[1])
    return gap(got, textbook.fit_fraction(stats, S))


def _best_fraction() -> float:
    stats, out = _statistics(), np.empty(6)
    plain = gap(pulse.best_fraction(S, *_none(_flat(stats))), textbook.fit_fraction(stats, S))
    crossed = (_flat(_cut()), BEFORE, BEHIND, GAP, 0, 2, out)
    best = pulse.best_fraction(S, *crossed)
    pulse.log_likelihood(S, best, *crossed)
    return max(plain, abs(float(out[2])))


def _best_rate() -> float:
    stats, out = _statistics(), np.empty(6)
    plain = gap(pulse.best_rate(M, *_none(_flat(stats))), textbook.fit_rate(stats, M))
    crossed = (_flat(_cut()), BEFORE, BEHIND, GAP, 0, 2, out)
    best = pulse.best_rate(M, *crossed)
    pulse.log_likelihood(best, M, *crossed)
    return max(plain, abs(float(out[1])))


def _joint_maximum() -> float:
    stats, out = _statistics(), np.empty(6)
    want = textbook.fit_pulse(stats)
    plain = gap(pulse.joint_maximum(*_none(_flat(stats))), want[:2])
    crossed = (_flat(_cut()), BEFORE, BEHIND, GAP, 0, 2, out)
    s, m = pulse.joint_maximum(*crossed)
    pulse.log_likelihood(s, m, *crossed)
    return max(plain, float(np.abs(out[1:3]).max()))


def _profile_value() -> float:
    stats = _statistics()
    x = _none(_flat(stats))
    got = [pulse.profile_value(0, S, *x), pulse.profile_value(1, M, *x)]
    by_rate = textbook.pulse_log_likelihood(stats, S, textbook.fit_fraction(stats, S))
    by_fraction = textbook.pulse_log_likelihood(stats, textbook.fit_rate(stats, M), M)
    return gap(got, [by_rate, by_fraction])


def _transformed() -> float:
    got = [pulse.transformed(0, np.log(S)), pulse.transformed(1, np.log(M / (1.0 - M)))]
    return gap(got, [S, M])


DROP = 1.9207294103470614  # half of the 95 % quantile of chi-squared with one degree of freedom


def _profile_end() -> float:
    stats = _statistics()
    best = textbook.fit_pulse(stats)
    top = textbook.pulse_log_likelihood(stats, *best[:2])
    low = pulse.profile_end(0, np.log(best[0]), -0.1, top - DROP, *_none(_flat(stats)))
    return gap(low, textbook.profile_interval(stats)[0])


def _fit_groups() -> float:
    stats = _statistics()
    fits = np.empty((1, 9))
    none = (NO_LABEL, NO_LABEL, NO_LENGTH, np.zeros(2, np.int64))
    pulse.fit_groups(_flat(stats)[None], *none, DROP, fits)
    best = textbook.fit_pulse(stats)
    top = textbook.pulse_log_likelihood(stats, *best[:2])
    inverse = np.linalg.inv(textbook.pulse_information(stats, *best[:2]))
    ends = [*textbook.profile_interval(stats), *textbook.profile_interval(stats, 0.95, "fraction")]
    return gap(fits[0], [*best[:2], top, *np.sqrt(np.diag(inverse)), *ends])


def _likelihoods() -> float:
    stats, got = _statistics(), np.empty(2)
    none = (NO_LABEL, NO_LABEL, NO_LENGTH)
    pulse.likelihoods(np.array([S, 2.0]), np.array([M, 0.6]), _flat(stats), *none, got)
    want = [textbook.pulse_log_likelihood(stats, s, m) for s, m in ((S, M), (2.0, 0.6))]
    return gap(got, want)


# Labels: two haplotypes of five chromosomes, of which the second is inverted


def _cells() -> list[list[textbook.Statistics]]:
    turned = textbook.Statistics(np.array([1.6, 0.4]), np.array([[0, 1], [1, 0]]), np.array([1, 0]))
    usual = textbook.Statistics(np.array([0.3, 1.7]), np.array([[0, 1], [1, 0]]), np.array([0, 1]))
    return [[usual, turned, usual, usual, usual], [turned, usual, turned, turned, turned]]


def _x() -> Array:
    return np.array([[_flat(stats) for stats in row] for row in _cells()])


INVERTED = np.array([False, True, False, False, False])


def _oriented() -> list[textbook.Statistics]:
    return [
        textbook.pool([exchanged(s) if i else s for s, i in zip(row, INVERTED, strict=True)])
        for row in _cells()
    ]


def _add_cell() -> float:
    stats, total = _statistics(), np.ones(6)
    labels.add_cell(total, _flat(stats), True, -1.0)
    return gap(total, 1.0 - _flat(exchanged(stats)))


def _top(stats: textbook.Statistics) -> float:
    return textbook.pulse_log_likelihood(stats, *textbook.fit_pulse(stats)[:2])


def _maximum() -> float:
    stats = _statistics()
    return gap(labels.maximum(_flat(stats), np.empty(6)), _top(stats))


def _configuration_value() -> float:
    value = labels.configuration_value(_x(), INVERTED, np.empty((2, 6)))
    return gap(value, sum(_top(stats) for stats in _oriented()))


def _climb() -> float:
    inverted = np.array([True, False, False, False, False])
    value = labels.climb(_x(), inverted, 1.0)
    want = sum(_top(stats) for stats in _oriented()) - 1.0
    return max(gap(value, want), float((inverted != INVERTED).any()))


def _likeliest_configuration() -> float:
    got = labels.likeliest_configuration(_x(), 1.0)
    return float((got != textbook.best_inversions(_cells())).any())


def _guarded_maximum() -> float:
    stats = _oriented()[0]
    return gap(labels.guarded_maximum(_flat(stats), np.empty(6)), textbook.fit_pulse(stats)[:2])


def _log_ratios() -> float:
    got = labels.log_ratios(_x(), INVERTED)
    row = _cells()[0]
    others = [exchanged(row[1]), *row[2:]]
    best = textbook.fit_pulse(textbook.pool(others))
    return gap(got[0, 0], textbook.inversion_log_ratio(row[0], *best[:2]))


def _log_ratio() -> float:
    stats = _statistics()
    turned = _flat(exchanged(stats))
    got = labels.log_ratio(S, M, _flat(stats), turned, np.empty(6))
    return gap(got, textbook.inversion_log_ratio(stats, S, M))


# Chains of hidden states

EVENTS = [(9, [M, 1.0 - M]), (4, [0.2, 0.0])]


def _textbook_chain() -> textbook.Chain:
    return textbook.demography_chain(textbook.pulses(EVENTS), "founders")


def _chain_log_likelihood() -> float:
    c = chain(pulses(EVENTS))
    got = chains.chain_log_likelihood(
        HAPLOTYPE, CHROMOSOME, START, END, ANCESTRY, SLACK,
        c.decay, c.begin, c.across, c.whole_decay, c.whole,
    )  # fmt: skip
    links = _textbook_chain()
    return gap(got, sum(textbook.aggregated_log_likelihood(p, links) for p in _paths()))


def _switch() -> float:
    y, across = np.array([0.2, -0.5]), np.array([[1.0, 2.0], [3.0, -4.0]])
    want = y @ across
    chains.switch(y, across, np.empty(2))
    return gap(y, want)


def _cross_gap() -> float:
    """From A to anything across a gap, seen from the stationary law: the survival of nothing."""
    c = chain(pulses(EVENTS))
    total = 0.0
    for k in (0, 1):
        y = c.begin[0].copy()
        chains.cross_gap(y, 0.3, c.whole[0], c.whole[k], c.whole_decay, np.empty(2))
        total += float(y @ c.begin[k])
    links = _textbook_chain()
    return gap(total, links.stationary[links.label == 0].sum())


_CHECKS: tuple[Check, ...] = (
    (paths.first_fault, _first_fault, ROUNDING),
    (paths.first_overlap, _first_overlap, ROUNDING),
    (paths.count_paths, _count_paths, ROUNDING),
    (paths.list_gaps, _list_gaps, ROUNDING),
    (pulse.times_log, _times_log, ROUNDING),
    (pulse.gap_terms, _gap_terms, ROUNDING),
    (pulse.log_likelihood, _log_likelihood, DIFFERENCE),
    (pulse.fraction_without_gaps, _fraction_without_gaps, ROUNDING),
    (pulse.best_fraction, _best_fraction, SEARCH),
    (pulse.best_rate, _best_rate, SEARCH),
    (pulse.joint_maximum, _joint_maximum, SEARCH),
    (pulse.profile_value, _profile_value, ROUNDING),
    (pulse.transformed, _transformed, ROUNDING),
    (pulse.profile_end, _profile_end, SEARCH),
    (pulse.fit_groups, _fit_groups, SEARCH),
    (pulse.likelihoods, _likelihoods, ROUNDING),
    (labels.add_cell, _add_cell, ROUNDING),
    (labels.maximum, _maximum, ROUNDING),
    (labels.configuration_value, _configuration_value, ROUNDING),
    (labels.climb, _climb, ROUNDING),
    (labels.likeliest_configuration, _likeliest_configuration, ROUNDING),
    (labels.guarded_maximum, _guarded_maximum, ROUNDING),
    (labels.log_ratios, _log_ratios, ROUNDING),
    (labels.log_ratio, _log_ratio, ROUNDING),
    (chains.switch, _switch, ROUNDING),
    (chains.cross_gap, _cross_gap, ROUNDING),
    (chains.chain_log_likelihood, _chain_log_likelihood, ROUNDING),
)
