r"""Multi-parent populations bred by meioses, and what is measured of them, with the truth.

`simulate_ril`, `simulate_intercross` and `simulate_outbred` cross individuals generation by
generation and know nothing of the chains of `textbook`; crossovers do not interfere (Haldane).
`simulate_calls`, `simulate_reads` and `simulate_intensities` measure what was bred. A QTL is one
more locus. Nothing is estimated here.

What a naive analysis gets
--------------------------
With :math:`\varepsilon` the error that is assumed:

(a) *A marker recorded the other way round and not repaired* speaks with
    :math:`\log\{(1-\varepsilon)/\varepsilon\}` against the right founder of every line: 5.3 at
    0.005. It pulls the lines to founders that differ from the right one at this marker, which is a
    false double crossover where no neighbour holds against it.

(b) *A founder whose call is missing, with emission 1:* every such marker doubles its odds against
    founders that match, and a heterozygous call multiplies them by :math:`1/\varepsilon`.

(c) *Steps of a common funnel order for lines with their own:* for eight founders and selfing the
    partner is :math:`2(1-r)` times as likely as each other founder; a wrong partner costs
    :math:`\log\{2(1-r)\}` at each of its changes and gains nothing.

(d) *Meiotic recombination in place of the line's:* the steps expect 1 change per Morgan where
    lines have 4 (eight founders, selfing) or 7 (sib mating), and bridge short segments.

(e) *The allele at one marker in place of the founder* lumps founders: with alleles 0/1 the effect
    of a single founder is diluted among all that share its allele.

(f) *Lines exchanged* keep good posteriors: the error shows only in their funnel orders and in the
    phenotypes.
"""

from refsolve.methods.founder_hmm.simulate.calls import (
    SimulatedCalls,
    genotypes,
    simulate_calls,
    simulate_founders,
    simulate_intensities,
    simulate_map,
    simulate_reads,
)
from refsolve.methods.founder_hmm.simulate.populations import (
    SimulatedLines,
    simulate_intercross,
    simulate_outbred,
    simulate_ril,
)

__all__ = [
    "SimulatedCalls",
    "SimulatedLines",
    "genotypes",
    "simulate_calls",
    "simulate_founders",
    "simulate_intensities",
    "simulate_intercross",
    "simulate_map",
    "simulate_outbred",
    "simulate_reads",
    "simulate_ril",
]
