r"""Tracts of local ancestry and the time of admixture: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions.

Model
-----
Lengths are in Morgans. Along one haplotype of one chromosome of length :math:`L` the ancestry is
one of :math:`K` labels; with two, A is 0 and B is 1, and :math:`m` is the fraction of A.

(1) *Switch-rate estimator.* With :math:`N` switches on a map of :math:`L` Morgans altogether,

.. math:: \hat\lambda = \frac{N}{2m(1-m)L}

(2) *Rate and time.* :math:`\lambda` is the rate of recombinations since the pulse that could
change the ancestry, per Morgan. A pulse of unmixed founders :math:`t` generations ago leaves
:math:`t-1` such meioses (``convention="founders"``); where the two haplotypes of a founder are
themselves a random pair, or time is continuous, there are :math:`t` (``"coalescent"``). With
:math:`\tau` that number, and :math:`N_e` diploids ever since,

.. math:: \lambda = \tau \quad\text{or}\quad \lambda = 2N_e\{1 - e^{-\tau/(2N_e)}\}

because a recombination between two copies of one founder haplotype changes nothing. The second form
belongs to the :math:`m` of the migrants. The fraction of a sample has drifted as well, and eq. (1)
with it lies between the two.

(3) *One pulse.* Every recombination draws a new label. The labels are a Markov chain in
continuous map distance, A to B at rate :math:`a = \lambda(1-m)`, B to A at :math:`b = \lambda m`,
and A at the first locus with probability :math:`m`. A tract that meets a chromosome end adds
exposure and no event:

.. math::

    \ell(\lambda, m) = f_A\log m + f_B\log(1-m) + n_{AB}\log a + n_{BA}\log b - aT_A - bT_B

with :math:`f` the first labels, :math:`n` the switches and :math:`T` the exposure.

(4) *Score.* With :math:`u = f_A + n_{BA}`, :math:`v = f_B + n_{AB}`, :math:`N = n_{AB} + n_{BA}`
and :math:`d = T_A - T_B`,

.. math::

    \partial_\lambda\ell = N/\lambda - (1-m)T_A - mT_B, \qquad
    \partial_m\ell = u/m - v/(1-m) + \lambda d

(5) *Maximum.* :math:`\hat\lambda(m) = N/\{(1-m)T_A + mT_B\}` in the second equation leaves a
quadratic with exactly one root in [0, 1], where :math:`F = f_A + f_B`:

.. math:: Fd\,m^2 - \{(u+v)T_A + (u-N)d\}\,m + uT_A = 0

At fixed :math:`\lambda` it is :math:`\lambda d\,m^2 + (u+v-\lambda d)\,m - u = 0`. Intervals are
those values whose profile is within :math:`\chi^2_{1}/2` of the maximum.

(6) *Inverted labels* of one chromosome exchange A and B in eq. (3):

.. math::

    \ell(\text{inverted}) - \ell(\text{as called}) = \{(f_A - f_B) - (n_{AB} - n_{BA})\}
    \log\frac{1-m}{m} + \lambda(1-2m)(T_A - T_B)

summed over both haplotypes, each with its own :math:`\lambda` and :math:`m`.

(7) *Only tracts longer than* :math:`c`, the others dropped and nothing joined. Lengths above
:math:`c` have no memory: :math:`\hat a = n_A/\sum(l_A - c)` with :math:`n_A` the long A tracts
that end in a switch.

(8) *Short tracts dropped and equal neighbours joined.* With :math:`\alpha = e^{-ac}`,
:math:`\beta = e^{-bc}`, the joined path has :math:`2m(1-m)r` switches per Morgan of
:math:`\sum(L - 2c)`, since no tract longer than :math:`c` ends nearer to a chromosome end,

.. math:: r = \frac{\lambda\,e^{-\lambda c}}{1 - (1-\alpha)(1-\beta)} \approx \lambda e^{-\lambda c}

A long A tract is followed by a long B before the next long A with probability
:math:`\beta + (1-\beta)(1-\alpha)\beta + \dots`. :math:`r` has a maximum; above it no
:math:`\lambda` fits, below it the smaller solution is meant.

(9) *False micro-tracts* at rate :math:`\varepsilon` per Morgan each add two switches: eq. (1)
returns :math:`\lambda + \varepsilon/\{m(1-m)\}`. They cut A into pieces at rate
:math:`a + \varepsilon` and B at :math:`b + \varepsilon`; eq. (12) with these rates counts the
pieces, and the number of tracts longer than :math:`c` separates :math:`\lambda` from
:math:`\varepsilon`.

(10) *Unphased diploid.* The number of B haplotypes, 0 1 2 for AA AB BB, is immune to phase
switches. For equal parents it is a Markov chain: AA to AB :math:`2a`, AB to AA :math:`b`, AB to BB
:math:`a`, BB to AB :math:`2b`, started from :math:`m^2, 2m(1-m), (1-m)^2`. For unequal parents
AB hides which parent is A, and eq. (11) holds.

(11) *Any chain whose states carry labels*, with generator :math:`Q`, stationary start
:math:`\pi`, and :math:`Q_{kl}` the block from states of label :math:`k` to those of :math:`l`.
Tracts of labels :math:`k_1, k_2, \dots` and lengths :math:`l_1, l_2, \dots` have the density

.. math::

    \pi_{k_1} e^{Q_{k_1k_1}l_1}\, Q_{k_1k_2}\, e^{Q_{k_2k_2}l_2} \cdots \mathbf 1

and an uncalled gap of length :math:`g` takes the block :math:`(e^{Qg})_{kl}` in the place of
:math:`Q_{kl}`.

(12) *Tract lengths on a finite chromosome.* The expected number of label-:math:`k` tracts at
least :math:`x \le L` long on one haploid chromosome of a reversible chain is

.. math::

    N_k(x) = G(x) - (L-x)\,G'(x), \qquad G(x) = \pi_k e^{Q_{kk}x}\mathbf 1

(interior tracts have density :math:`(L-x)G''`, the two ends :math:`-2G'`, and the whole
chromosome mass :math:`G(L)`). For one pulse :math:`G = me^{-ax}`, and all A tracts together are
:math:`m(1 + aL)`.

(13) *Any history of migration.* A fraction :math:`M_{tk}` of the population arrives from source
:math:`k` in generation :math:`t` before the present, and the last generation is all migrants. A
state is the migration :math:`(t, k)` that a locus descends from. With
:math:`\sigma(i,j) = \prod_{i \le u < j}(1 - \sum_k M_{uk})`,

.. math::

    \pi_{tk} = M_{tk}\,\sigma(1,t), \qquad
    Q_{(t,k)\to(t',k')} = M_{t'k'} \sum_{T=T_0}^{\min(t,t')-1} \sigma(T+1, t')

A recombination in generation :math:`T` sends the locus to another lineage, which arrived in
generation :math:`T+1` or before; :math:`T_0` is 1 for founders and 0 in the coalescent.
The chain is reversible, and one pulse is eq. (3).

(14) *Histogram likelihood.* Counts of tracts per length bin are taken as independent Poisson
variables with the means of eq. (12). It is a composite likelihood: tracts of one chromosome are not
independent, so its curvature is not a variance.

Identifying assumption
----------------------
Recombination strikes evenly along the map that is given, ancestry is called where it changes, and
the population has been large and randomly mating since. The time is the number of switches that
remains when the fraction, the length covered and the errors of the calls have been allowed for.

Assumptions that make the answer wrong when they fail
-----------------------------------------------------
* Labels exchanged on some chromosomes: :math:`m` is drawn towards 1/2 and the time follows.
* Short false tracts: time too old, by eq. (9). Short true tracts missed: too young, by eq. (8).
* A wrong genetic map, or lengths in base pairs: the time scales with the error.
* More than one pulse, or migration that went on: one pulse is a mean between them.
* Few founders or a small population: neighbouring tracts of one founder are joined, eq. (2), and
  successive tracts are not independent, since lineages return to the same ancestors.
* Crossover interference: fewer short tracts than the exponential law has.
* Switch errors of the phase: false switches on both haplotypes at once; eq. (10) is immune.

Deviations from published software
----------------------------------
* tracts 0.0.2 uses eq. (12) and (14). Its likelihood is composite; eqs. (3) and (11) are exact.
* tracts writes :math:`t-1`, Ancestry_HMM :math:`t`: here it is the argument ``convention``.
* MultiWaver takes every tract as exponential without chromosome ends.

References
----------
Pool JE, Nielsen R (2009) Inference of historical changes in migration rate from the lengths of
migrant tracts. doi:10.1534/genetics.108.098095
Gravel S (2012) Population genetics models of local ancestry. doi:10.1534/genetics.112.139808
Liang M, Nielsen R (2014) The lengths of admixture tracts. doi:10.1534/genetics.114.162362
Corbett-Detig R, Nielsen R (2017) A hidden Markov model approach for simultaneously estimating local
ancestry and admixture time using next generation sequence data in samples of arbitrary ploidy.
doi:10.1371/journal.pgen.1006529
"""

from refsolve.methods.tracts.textbook.chains import (
    Chain,
    aggregated_log_likelihood,
    diploid_chain,
    histogram,
    histogram_log_likelihood,
    observed_log_likelihood,
    pulse_chain,
    tail,
)
from refsolve.methods.tracts.textbook.defects import (
    contaminated_rate,
    contaminated_tail,
    drop_short,
    fit_contamination,
    fit_truncated,
    merged_rate,
    rate_from_merged,
    rate_from_merged_lambert,
    truncated_statistics,
)
from refsolve.methods.tracts.textbook.demography import continuous, demography_chain, pulses
from refsolve.methods.tracts.textbook.diploid import (
    diploid_log_likelihood,
    diploid_path,
    fit_diploid_rate,
)
from refsolve.methods.tracts.textbook.paths import (
    Path,
    Statistics,
    called_fraction,
    count_switches,
    invert,
    islands,
    merge_islands,
    pool,
    statistics,
    switch_time,
)
from refsolve.methods.tracts.textbook.pulse import (
    Convention,
    PulseEstimate,
    best_inversions,
    fit_fraction,
    fit_pulse,
    fit_rate,
    inversion_log_ratio,
    profile_interval,
    pulse_histogram,
    pulse_information,
    pulse_log_likelihood,
    pulse_score,
    pulse_tail,
    rate_of_time,
    time_of_rate,
)

__all__ = [
    "Chain",
    "Convention",
    "Path",
    "PulseEstimate",
    "Statistics",
    "aggregated_log_likelihood",
    "best_inversions",
    "called_fraction",
    "contaminated_rate",
    "contaminated_tail",
    "continuous",
    "count_switches",
    "demography_chain",
    "diploid_chain",
    "diploid_log_likelihood",
    "diploid_path",
    "drop_short",
    "fit_contamination",
    "fit_diploid_rate",
    "fit_fraction",
    "fit_pulse",
    "fit_rate",
    "fit_truncated",
    "histogram",
    "histogram_log_likelihood",
    "inversion_log_ratio",
    "invert",
    "islands",
    "merge_islands",
    "merged_rate",
    "observed_log_likelihood",
    "pool",
    "profile_interval",
    "pulse_chain",
    "pulse_histogram",
    "pulse_information",
    "pulse_log_likelihood",
    "pulse_score",
    "pulse_tail",
    "pulses",
    "rate_from_merged",
    "rate_from_merged_lambert",
    "rate_of_time",
    "statistics",
    "switch_time",
    "tail",
    "time_of_rate",
    "truncated_statistics",
]
