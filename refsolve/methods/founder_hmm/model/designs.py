"""Populations from several founders, and the steps of their haplotypes, eqs. (2)-(6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log2

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, one_of, real_vector, refuse, whole_numbers
from refsolve.methods.founder_hmm.model.inbreeding import outbred_same
from refsolve.methods.founder_hmm.model.maps import MAP_FUNCTIONS, recombination

NEAREST = 1e-10  # centimorgans: positions that coincide are this far apart, so that nothing is zero
# Sib generations of the lines that founded the Diversity Outbred: Svenson et al. 2012.
PROGENITORS = {4: 21, 5: 64, 6: 24, 7: 10, 8: 5, 9: 9, 10: 5, 11: 3, 12: 3}


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """How founders follow each other along the chromosomes of a line.

    Made by `ril`, `exchangeable`, `general_ril`, `intercross`, `outbred` and `diplotypes`.

    Attributes
    ----------
    kind
        Which of them.
    n_founders
        Number K of founders.
    ploidy
        1 where a line carries one founder at a place, 2 where it carries an unordered pair.
    share
        Expected share (K,) of each founder.
    order
        Founder at each place of the funnel (K,), or of each line (n, K).
    map_function, expansion
        Recombination from distance, and the factor on distances; None is to be estimated.
    generations
        Of random mating, where there are any.
    progenitors
        Weights of sib generations before random mating, for `outbred`.
    """

    kind: str
    n_founders: int
    ploidy: int
    share: FloatArray
    order: IntArray
    map_function: str
    expansion: float | None
    generations: float = 0.0
    progenitors: tuple[tuple[int, float], ...] = ()

    @property
    def n_states(self) -> int:
        """Number S of founders or unordered pairs."""
        K = self.n_founders
        return K if self.ploidy == 1 else K * (K + 1) // 2

    @property
    def pairs(self) -> IntArray:
        """Founders (S, ploidy) of each state: A, B, ... or AA, AB, BB, AC, ..."""
        K = self.n_founders
        if self.ploidy == 1:
            return np.arange(K)[:, None]
        return np.array([(i, j) for j in range(K) for i in range(j + 1)])

    @property
    def start(self) -> FloatArray:
        """Law (S,) of a state far from everything."""
        if self.ploidy == 1:
            return self.share
        pairs = self.pairs
        product = self.share[pairs].prod(axis=1)
        return np.asarray(np.where(pairs[:, 0] == pairs[:, 1], 1.0, 2.0) * product)

    @property
    def sizes(self) -> IntArray:
        """Sizes (L,) of nested blocks of founders that a step tells apart."""
        K = self.n_founders
        levels = {"ril-self": 1, "ril-sib": 2}.get(self.kind)
        inner = [1] if levels is None else [2**k for k in range(max(int(log2(K)) - levels, 1))]
        return np.array([*inner, K])

    def with_expansion(self, expansion: float) -> Design:
        """The same population on a map that is longer by this factor.

        Parameters
        ----------
        expansion
            The factor.
        """
        return replace(self, expansion=positive(expansion, "expansion"))


def exchangeable(n_founders: int, expansion: float | None = None) -> Design:
    """Inbred lines of which only the density of changes of founder is known, or not even that.

    All other founders are equally likely after a change: the average over unknown orders of a
    funnel. With d in Morgans, a line stays with probability 1/K + (1 - 1/K) exp(-λdK/(K - 1)).

    Parameters
    ----------
    n_founders
        Number of founders.
    expansion
        Changes λ per Morgan: 2 for two-way RILs by selfing, 4 by sib mating, 4 and 7 for eight-way
        ones; None estimates it.
    """
    return _design("exchangeable", n_founders, expansion=expansion, map_function="haldane")


def ril(
    n_founders: int,
    mating: str = "self",
    *,
    order: ArrayLike | str | None = None,
    map_function: str = "haldane",
    expansion: float | None = 1.0,
) -> Design:
    """Recombinant inbred lines from a funnel of 2, 4, 8 or 16 founders.

    Parameters
    ----------
    n_founders
        Number of founders.
    mating
        `self` or `sib`.
    order
        Founder at each place of the funnel, (K,) of all lines or (n, K) of each; places 0 and 1 are
        crossed first. None: 0, 1, ...; `unknown`: averaged over all orders.
    map_function
        Recombination from distance.
    expansion
        Factor on distances; None estimates it.

    Examples
    --------
    >>> from refsolve.methods.founder_hmm import ril
    >>> ril(8, order=[[0, 3, 1, 2, 4, 5, 6, 7]]).sizes
    array([1, 2, 8])
    """
    one_of(mating, "mating", ("self", "sib"))
    if n_founders not in {2, 4, 8, 16}:
        raise ValueError(
            f"n_founders = {n_founders} must be 2, 4, 8 or 16; use exchangeable or general_ril"
        )
    unknown = isinstance(order, str) and one_of(order, "order", ("unknown",)) == "unknown"
    kind = f"ril-{mating}" + ("-unknown" if unknown else "")
    places = None if unknown else order
    return _design(kind, n_founders, expansion=expansion, map_function=map_function, order=places)


def general_ril(
    n_founders: int,
    generations: float,
    *,
    fractions: ArrayLike | None = None,
    map_function: str = "haldane",
    expansion: float | None = 1.0,
) -> Design:
    """Inbred lines after random mating of any number of founders.

    Parameters
    ----------
    n_founders
        Number of founders.
    generations
        Meioses with recombination between founders.
    fractions
        Shares (K,) of the founders; equal by default.
    map_function, expansion
        As in `ril`.
    """
    design = _design(
        "general", n_founders, expansion=expansion, map_function=map_function,
        generations=not_negative(generations, "generations"),
    )  # fmt: skip
    if fractions is None:
        return design
    share = real_vector(fractions, "fractions")
    refuse(share <= 0.0, "fractions", share, "must be positive", "leave absent founders out")
    if share.size != n_founders or abs(share.sum() - 1.0) > 1e-9:
        raise ValueError(
            f"fractions has {share.size} values with sum {share.sum():g}; expected {n_founders} "
            "with sum 1; divide by the sum"
        )
    return replace(design, share=share / share.sum())


def intercross(
    n_founders: int,
    generations: float,
    *,
    map_function: str = "haldane",
    expansion: float | None = 1.0,
) -> Design:
    """One haplotype of an advanced intercross, or of heterogeneous stock.

    Founders are crossed in pairs, all pairs alike, which is generation 1; then everybody mates at
    random. With two founders this is the advanced intercross of Darvasi and Soller.

    Parameters
    ----------
    n_founders
        Number of founders.
    generations
        Generation of the individuals, at least 2.
    map_function, expansion
        As in `ril`.
    """
    if not generations >= 2.0:
        raise ValueError(f"generations = {generations} must be at least 2; generation 1 is crosses")
    return _design(
        "intercross", n_founders, expansion=expansion, map_function=map_function,
        generations=float(generations),
    )  # fmt: skip


def outbred(
    generations: float,
    progenitors: Mapping[int, float] | None = None,
    *,
    map_function: str = "haldane",
    expansion: float | None = 1.0,
) -> Design:
    """One haplotype of the Diversity Outbred or of a similar stock from eight-way sib matings.

    Parameters
    ----------
    generations
        Generation of outbreeding; the first is that of crosses between partially inbred lines.
    progenitors
        Weight of each number of sib generations in those lines; of the Diversity Outbred by
        default.
    map_function, expansion
        As in `ril`.
    """
    weights = dict(PROGENITORS if progenitors is None else progenitors)
    if not weights or min(weights) < 1 or not min(weights.values()) > 0.0 or not generations >= 1.0:
        raise ValueError("outbred needs generations >= 1 and positive weights of generations >= 1")
    total = float(sum(weights.values()))
    design = _design(
        "outbred", 8, expansion=expansion, map_function=map_function, generations=float(generations)
    )
    shares = tuple((int(k), value / total) for k, value in sorted(weights.items()))
    return replace(design, progenitors=shares)


def diplotypes(design: Design) -> Design:
    """Outbred individuals: two independent haplotypes of the same kind.

    Parameters
    ----------
    design
        `exchangeable`, `general_ril`, `intercross` or `outbred`.
    """
    if design.sizes.size != 2 or design.order.ndim != 1:
        raise ValueError(
            f"a design of kind {design.kind} tells orders of founders apart; two haplotypes need "
            "one without: exchangeable, general_ril, intercross or outbred"
        )
    return replace(design, ploidy=2)


def _design(
    kind: str,
    n_founders: int,
    *,
    expansion: float | None,
    map_function: str,
    order: ArrayLike | None = None,
    generations: float = 0.0,
) -> Design:
    K = int(whole_numbers(n_founders, "n_founders", minimum=2))
    one_of(map_function, "map_function", MAP_FUNCTIONS)
    if expansion is not None:
        expansion = positive(expansion, "expansion")
    return Design(
        kind, K, 1, np.full(K, 1.0 / K), _places(order, K), map_function, expansion, generations
    )


def _places(order: ArrayLike | None, K: int) -> IntArray:
    if order is None:
        return np.arange(K)
    places = whole_numbers(order, "order", minimum=0)
    if places.ndim not in {1, 2} or places.shape[-1] != K:
        raise ValueError(f"order has shape {places.shape}; expected ({K},) or (lines, {K})")
    bad = (np.sort(places, axis=-1) != np.arange(K)).any(axis=-1)
    if bad.any():
        row = places if places.ndim == 1 else places[int(np.flatnonzero(bad)[0])]
        raise ValueError(f"order {row.tolist()} must hold each of 0 ... {K - 1} once; correct it")
    return places


def positive(value: float, name: str) -> float:
    """The value, when it is positive and finite."""
    if not (np.isfinite(value) and value > 0.0):
        raise ValueError(f"{name} = {value} must be positive; correct it")
    return float(value)


def not_negative(value: float, name: str) -> float:
    """The value, when it is finite and at least zero."""
    if not (np.isfinite(value) and value >= 0.0):
        raise ValueError(f"{name} = {value} must not be negative; correct it")
    return float(value)


def step_weights(design: Design, position: FloatArray) -> FloatArray:
    """Weights (T, L) of the steps into positions (T,) of one chromosome; the first is not used.

    Parameters
    ----------
    design
        With an expansion.
    position
        Centimorgans, ascending.
    """
    if design.expansion is None:
        raise ValueError("the expansion of the design is not known; estimate it with fit_founders")
    apart = np.maximum(np.diff(position, prepend=position[:1]), NEAREST)
    distance = design.expansion * apart
    K = design.n_founders
    if design.kind in {"ril-self", "ril-sib"}:
        levels = _funnel(design, recombination(distance, design.map_function))
    else:
        change = _change(design, distance)
        if design.kind == "general":
            return np.stack([1.0 - change, change], axis=1)
        levels = np.stack([1.0 - change, change / (K - 1.0)], axis=1)
    last = K * levels[:, -1:]
    return np.ascontiguousarray(np.hstack([levels[:, :-1] - levels[:, 1:], last]))


def _funnel(design: Design, r: FloatArray) -> FloatArray:
    """Probabilities (T, L) of one founder at each level, eq. (2)."""
    depth = int(log2(design.n_founders)) - (1 if design.kind == "ril-self" else 2)
    q = 1.0 + (2.0 if design.kind == "ril-self" else 6.0) * r
    if depth < 0:  # two founders by sib mating
        return np.stack([(1.0 + 2.0 * r) / q, 4.0 * r / q], axis=1)
    inner = [(1.0 - r) ** depth / q]
    inner += [r * (1.0 - r) ** (depth - k) / 2.0 ** (k - 1) / q for k in range(1, depth)]
    return np.stack([*inner, r / 2.0 ** (depth - 1) / q], axis=1)


def _change(design: Design, distance: FloatArray) -> FloatArray:
    """Probability (T,) of another founder; of any draw of a founder in `general`, eqs. (4)-(5)."""
    K = design.n_founders
    if design.kind == "exchangeable":
        return np.asarray(-(1.0 - 1.0 / K) * np.expm1(-distance / 100.0 * K / (K - 1.0)))
    r = recombination(distance, design.map_function)
    if design.kind.startswith("ril"):
        mating = design.kind.removesuffix("-unknown")
        return 1.0 - _funnel(replace(design, kind=mating), r)[:, 0]
    if design.kind == "outbred":
        return 1.0 - outbred_same(r, design.generations, design.progenitors)
    meioses = design.generations - (2.0 if design.kind == "intercross" else 0.0)
    lost = -np.expm1(meioses * np.log1p(-r))  # at least one crossover
    if design.kind == "general":
        return np.asarray(lost)
    return np.asarray((1.0 - 1.0 / K) * lost + r * (1.0 - lost))
