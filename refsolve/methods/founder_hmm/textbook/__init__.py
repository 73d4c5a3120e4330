r"""Founders along the chromosomes of multi-parent lines: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions.

Design
------
(1) *Map functions.* A map distance :math:`d` in Morgans gives the recombination fraction :math:`r`
at one meiosis:

.. math::

    r = \tfrac12(1-e^{-2d}) \text{ (Haldane)}, \qquad
    r = \tfrac12\tanh 2d \text{ (Kosambi)}, \qquad
    d = \tfrac14(\operatorname{artanh} 2r + \arctan 2r) \text{ (Carter–Falconer)}

(2) *Recombinant inbred lines* of a funnel of :math:`K = 2, 4, 8, 16` founders. A gamete of a tree
of crosses over :math:`B` founders has one founder at both loci with probability
:math:`(1-r)^{\log_2 B}`, and one given founder whose branch joins at level :math:`l` with
:math:`r(1-r)^{\log_2B-l}/2^{l-1}`. Inbreeding starts from two such gametes (selfing,
:math:`B = K/2`) or four (sib mating, :math:`B = K/4`). In the end the two loci descend from one of
them with probability :math:`1/q`, and from any other with :math:`2r/q`, where

.. math:: q = 1+2r \text{ (selfing)}, \qquad q = 1+6r \text{ (sib mating)}

A founder of another gamete therefore has :math:`2r/(qB)`. For eight founders:

.. math::

    \text{selfing: } \frac{(1-r)^2}{q}, \frac{r(1-r)}{q} \text{ (partner)},
    \frac{r/2}{q} \text{ (six others)}; \qquad
    \text{sib mating: } \frac{1-r}{q}, \frac{r}{q} \text{ (seven others)}

All of them are probabilities *given* the founder at the first locus; rows sum to 1. For two
founders they are the :math:`2r/(1+2r)` and :math:`4r/(1+6r)` of Haldane and Waddington.

(3) *Generations of inbreeding.* With :math:`S` the probability of one founder at two loci of a
haplotype, :math:`T` on the two haplotypes of an individual and :math:`U` on haplotypes of two sibs,

.. math::

    \text{selfing: } S' = (1-r)S + rT,\; T' = \tfrac12(S+T); \qquad
    \text{sib mating: } S' = (1-r)S + rT,\; T' = U,\; U' = \tfrac14S+\tfrac14T+\tfrac12U

:math:`S + 2rT` is conserved in the first, :math:`S + 2rT + 4rU` in the second: hence :math:`q`.

(4) *Random mating.* :math:`S' = (1-r)S + r/K`. Founders crossed in pairs give :math:`S = 1-r` in
generation 2 (advanced intercross, heterogeneous stock), so that

.. math:: S_t = \tfrac1K + (1-r)^{t-2}\bigl(1-r-\tfrac1K\bigr)

The Diversity Outbred starts from eight-way lines after :math:`k` generations of sib mating, with
weights :math:`w_k`: :math:`S_1 = \sum_k w_k\{(1-r)S^{(k)} + rT^{(k)}\}`. The other founders share
:math:`1-S` evenly.

(5) *Any number of founders* with fractions :math:`\alpha` and :math:`g` meioses: stay with
:math:`(1-r)^g`, else draw a founder from :math:`\alpha`. Where only the number :math:`\lambda` of
changes per Morgan is known, stay with :math:`\tfrac1K + (1-\tfrac1K)e^{-\lambda dK/(K-1)}`. Where
the order of a funnel is unknown, all others share what is left.

(6) *Two independent haplotypes*: the states are the :math:`K(K+1)/2` unordered pairs, 36 of eight
founders, and :math:`P(ab\to cd) = P(a\to c)P(b\to d) + P(a\to d)P(b\to c)` for :math:`c\ne d`.

Observations
------------
(7) *Call of an inbred line*, with error :math:`\varepsilon` and founder allele :math:`a_f`:
:math:`e_f = 1-\varepsilon` where it is the allele called, :math:`\varepsilon` where not. An unknown
founder allele is summed over: :math:`\sum_a P(a)P(\text{call}\mid a)`, with :math:`P(a)=\tfrac12`.
A missing call has :math:`e = 1` for all founders, and so has a heterozygous call of a line that the
model takes as inbred.

(8) *Other observations* depend on the number :math:`g` of copies of allele 1 that the founders of
the state carry: a genotype is right with :math:`1-\varepsilon` and either wrong one with
:math:`\varepsilon/2`; a dosage is normal around :math:`g`; a pair of intensities is normal around
the mean of genotype :math:`g`; :math:`n_1` of :math:`n` reads are binomial with
:math:`p = s(1-\varepsilon) + (1-s)\varepsilon`, where :math:`s` is :math:`g` over the number of
haplotypes.

Inference
---------
(9) *Posterior.* With :math:`\alpha_k = (\alpha_{k-1}P_{k-1}) \circ e_k / c_k`, each summing to 1,
and :math:`\beta_k = P_k(e_{k+1}\circ\beta_{k+1})/c_{k+1}`, the posterior is
:math:`\alpha\circ\beta` and the log-likelihood :math:`\sum_k\log c_k`.

(10) *Paths.* The most probable path maximises the joint probability; paths are drawn from the last
locus backwards with weights :math:`\alpha_k(f)\,P_k(f, f_{k+1})`.

(11) *Error of a marker.* With :math:`x_k` the expected number of wrong calls among :math:`n_k`
given all data, :math:`\hat\varepsilon_k = (x_k+2)/(n_k+400)`, iterated: the most probable value
under a Beta(3, 399) distribution of errors. A wrong call where the allele of a founder is not known
has the probability :math:`\varepsilon`.

Repair
------
(12) *A marker from the others*: :math:`Q = \text{posterior}/e`, scaled to 1. The odds of a wrong
call given all data, over those without data, are reported as a log10.

(13) *Orientation.* With :math:`p_i` the probability under :math:`Q` that line :math:`i` carries the
allele that was called, exchanging the founder alleles of marker :math:`k` gains

.. math::

    \mathrm{LLR}_k = \sum_i \log\frac{p_i\varepsilon + (1-p_i)(1-\varepsilon)}
    {p_i(1-\varepsilon) + (1-p_i)\varepsilon}

Markers above 10 are exchanged, and all are looked at again until none is left;
:math:`\varepsilon=0.05` throughout, so that a wrong marker does not carry its neighbours along. The
same for one founder alone replaces :math:`p_i` by :math:`p_i + Q_{if}(1-2m_{if})`, where
:math:`m_{if}` says whether its allele matches.

(14) *Exchanged lines.* With :math:`\ell_{ij}` the log-likelihood of the calls of line :math:`i`
under the funnel order of line :math:`j`, exchanging two lines gains
:math:`\ell_{ij}+\ell_{ji}-\ell_{ii}-\ell_{jj}`. Under a common order nothing tells them apart.

(15) *Place of a marker.* Its log-likelihood at any place is
:math:`\sum_i\log\{p_i(1-\varepsilon)+(1-p_i)\varepsilon\}` with :math:`p_i` from the founder
probabilities there, found without the marker. A place far from its own with a much larger value
shows a wrong order; all founders alike give the value of a marker linked to nothing.

What identifies the founders
----------------------------
The markers are in the right order and orientation, every line has the design that is given,
crossovers do not interfere across intervals, and errors are independent. Founders that share their
alleles over a stretch are told apart by its surroundings only.

Deviations from published software
----------------------------------
* R/qtl2 gives an unknown founder allele the emission 1 in place of :math:`\tfrac12`, and at a
  heterozygous call 1 against :math:`\varepsilon` for all founders with a call.
  ``unknown="peer"`` repeats it.
* R/qtl2 solves Carter–Falconer's function to 1e-11 only.
* Before March 2019 R/qtl2 used joint probabilities in place of those of eq. (2).

References
----------
Haldane JBS, Waddington CH (1931) Inbreeding and linkage. doi:10.1093/genetics/16.4.357
Broman KW (2005) The genomes of recombinant inbred lines. doi:10.1534/genetics.104.035212
Teuscher F, Broman KW (2007) Haplotype probabilities for multiple-strain recombinant inbred lines.
doi:10.1534/genetics.106.064063
Broman KW (2012) Haplotype probabilities in advanced intercross populations.
doi:10.1534/g3.111.001818
Darvasi A, Soller M (1995) Advanced intercross lines, an experimental population for fine genetic
mapping. doi:10.1093/genetics/141.3.1199
Svenson KL et al. (2012) High-resolution genetic mapping using the mouse Diversity Outbred
population. doi:10.1534/genetics.111.132597
Broman KW et al. (2019) R/qtl2: software for mapping quantitative trait loci with high-dimensional
data and multiparent populations. doi:10.1534/genetics.118.301595
"""

from refsolve.methods.founder_hmm.textbook.chains import (
    forward_backward,
    founder_probability,
    path_log_probability,
    sample_paths,
    viterbi,
)
from refsolve.methods.founder_hmm.textbook.designs import (
    PRE_CC,
    Design,
    Mating,
    TwoLoci,
    diplotypes,
    exchangeable,
    founding_gamete,
    general_ril,
    intercross,
    outbred,
    over_orders,
    ril,
    ril_by_level,
    steps,
    two_locus_self,
    two_locus_sib,
)
from refsolve.methods.founder_hmm.textbook.emissions import (
    HET,
    MISSING,
    Unknown,
    call_emission,
    diplotype_emission,
    dosage_emission,
    dosage_weights,
    intensity_emission,
    read_emission,
)
from refsolve.methods.founder_hmm.textbook.maps import MapFunction, distance, recombination
from refsolve.methods.founder_hmm.textbook.repair import (
    FlipSearch,
    disagreement,
    emission_table,
    error_log_odds,
    estimate_error,
    expected_mismatches,
    find_flips,
    flip_log_ratio,
    founder_log_ratio,
    leave_out,
    match_matrix,
    placement,
    placement_of_unlinked,
    posteriors,
    swap_log_ratio,
)

__all__ = [
    "HET",
    "MISSING",
    "PRE_CC",
    "Design",
    "FlipSearch",
    "MapFunction",
    "Mating",
    "TwoLoci",
    "Unknown",
    "call_emission",
    "diplotype_emission",
    "diplotypes",
    "disagreement",
    "distance",
    "dosage_emission",
    "dosage_weights",
    "emission_table",
    "error_log_odds",
    "estimate_error",
    "exchangeable",
    "expected_mismatches",
    "find_flips",
    "flip_log_ratio",
    "forward_backward",
    "founder_log_ratio",
    "founder_probability",
    "founding_gamete",
    "general_ril",
    "intensity_emission",
    "intercross",
    "leave_out",
    "match_matrix",
    "outbred",
    "over_orders",
    "path_log_probability",
    "placement",
    "placement_of_unlinked",
    "posteriors",
    "read_emission",
    "recombination",
    "ril",
    "ril_by_level",
    "sample_paths",
    "steps",
    "swap_log_ratio",
    "two_locus_self",
    "two_locus_sib",
    "viterbi",
]
