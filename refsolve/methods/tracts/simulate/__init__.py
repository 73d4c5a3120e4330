r"""Ancestry tracts together with the truth that made them.

`simulate_tracts` and `simulate_history` draw from the Markov chains of eqs. (3) and (13) of
`textbook`; `simulate_pedigree` recombines the chromosomes of a finite population and knows nothing
of these chains; `simulate_calls` spoils tracts as callers do. Nothing is estimated here.

What a naive analysis of spoilt calls gets
------------------------------------------
With :math:`m` the true fraction of A, :math:`\lambda` the rate of eq. (1), and :math:`\hat\lambda`
what eq. (1) makes of the calls:

(a) *Islands kept*, :math:`\varepsilon` per Morgan: :math:`\hat\lambda = \lambda +
    \varepsilon/\{m(1-m)\}`, too old by eq. (9). The fraction moves by :math:`\varepsilon w(1-2m)`
    for islands :math:`w` long.

(b) *Islands dropped with their length.* No false switch is left, but a share :math:`\varepsilon w`
    of the span is, mostly from the flanks: the fraction of the major ancestry is too low.

(c) *Inverted labels not exchanged* on a share :math:`q` of the map: :math:`\hat m = m +
    q(1-2m)`, drawn to 1/2. Switches stay, so :math:`\hat\lambda = \lambda\,m(1-m)/\{\hat
    m(1-\hat m)\}` is too young.

(d) *Paths ended at gaps.* Switches inside gaps are lost: with a share :math:`g` of the map
    uncalled, :math:`\hat\lambda \approx \lambda(1-g)` on the full map.

(e) *Called span in place of the map length:* :math:`\hat\lambda = \lambda/(1-g)`, too old.

(f) *One over the mean length of A tracts* estimates :math:`\lambda(1-m) + 1/L`, chromosome ends
    included: mostly too young, by the factor :math:`1-m`.

(g) *A small population.* With the fraction :math:`m` of the migrants eq. (1) returns eq. (2), which
    stays below twice the number of diploids. With the fraction of the sample, which has drifted
    too, it returns a rate between :math:`\tau` and eq. (2).
"""

from refsolve.methods.tracts.simulate.calls import SimulatedCalls, simulate_calls
from refsolve.methods.tracts.simulate.markov import (
    SimulatedHistory,
    SimulatedTracts,
    simulate_history,
    simulate_tracts,
)
from refsolve.methods.tracts.simulate.pedigree import SimulatedPedigree, simulate_pedigree

__all__ = [
    "SimulatedCalls",
    "SimulatedHistory",
    "SimulatedPedigree",
    "SimulatedTracts",
    "simulate_calls",
    "simulate_history",
    "simulate_pedigree",
    "simulate_tracts",
]
