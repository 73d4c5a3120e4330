r"""Expected Hi-C contacts and the strength of loops: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions. Matrices
are dense and symmetric here.

Model
-----
:math:`c_{ij}` contacts of bins :math:`i \le j` at the distance :math:`d = j - i` in bins, with
weights :math:`w_i` (one for raw counts).

(1) *Usable pixels.* With :math:`v_i` one for a valid bin, and :math:`R` the pixels excluded singly
(a rectangle beside a breakpoint, the loops themselves), a pixel of one region has

.. math:: u_{ij} = v_i v_j \, [(i,j) \notin R]

(2) *Number of pairs.* A pixel without contacts is an observation: it is counted though no file
stores it. Without excluded pixels the number is the autocorrelation of the mask; between two
regions, :math:`o` bins apart from start to start, it is a cross-correlation:

.. math:: n_d = \sum_i v_i v_{i+d}, \qquad n_d = \sum_i v^{(1)}_i v^{(2)}_{i+d-o}

(3) *Sums by distance.* Regions are pooled by adding both, so that the mean of several arms is
weighted by their numbers of pairs.

.. math:: S_d = \sum_i u_{i,i+d}\, c_{i,i+d}\, w_i w_{i+d}

(4) *Expected by distance*, not defined for :math:`d` below the number of ignored diagonals:
:math:`E_d = S_d / n_d`.

(5) *Smoothed.* Numerator and denominator apart, over the distances that are not ignored:

.. math::

    \tilde E_d = \frac{\sum_{d'} k(d,d')\, S_{d'}}{\sum_{d'} k(d,d')\, n_{d'}}, \qquad
    k(d,d') = \exp\Bigl\{-\frac{(\log_{10} d - \log_{10} d')^2}{2\sigma^2}\Bigr\}

and zero beyond 5 :math:`\sigma`; :math:`\sigma = 0.1`. It is evaluated at knots :math:`\sigma/10`
apart or one bin, whichever is more, with straight lines in log-log between them. A power
:math:`d^{-a}` is returned times :math:`\exp\{\tau^2a(a-2)/2\}` with :math:`\tau = \sigma\ln 10`,
since more pixels lie at the far end of the kernel: 2.6 % low for :math:`a = 1`, and lower at the
first distances, which have neighbours on one side only.

(6) *Between chromosomes* distance means nothing: one mean over all usable pixels of the block, of
which there are :math:`\sum_i v_i^{(1)} \sum_j v_j^{(2)}` less the excluded ones.

(7) *Observed over expected:* :math:`c_{ij}w_iw_j/E_{j-i}` where :math:`u_{ij} = 1`, else nothing.

(8) *Bins of low mappability* are those below a visible gap. With :math:`g_k` the gaps of the sorted
values, the gap is where :math:`g_k / \max_{l>k} g_l` is largest, if at least half of the values lie
above it, it is wide, the ratio is at least 3, and the gap is at least 1.5 times as wide as the
distance from the lowest value above it to their median, which the tail of one smooth distribution
seldom shows. Without such a gap nothing is set apart.

(9) *Low coverage.* Marginals :math:`m_i`, relative to the median of their chromosome, below
:math:`\exp(\mathrm{med} - h\,\mathrm{MAD})` of :math:`\log m`. The MAD is not scaled.

(10) *Stripes.* A rearrangement that one condition carries changes all pixels of a bin. With a level
:math:`s_i` for every bin, fitted to the counts of one condition,

.. math:: \log\mu_{ij} = \alpha + f(d) + s_i + s_j, \qquad
    z_i = \frac{s_i - \mathrm{med}(s)}{\sqrt{v_i + \tau^2}}

no bin contaminates another, however many deviate. :math:`v` is the variance of the noise, and the
spread :math:`\tau` between bins (GC, domains, compartments) is where the median of :math:`z^2` is
that of a normal, which a few stripes do not move. Contrasts of the levels of two conditions are
tested in the same way; what both conditions share cancels there. A bin is masked where
:math:`|z|` exceeds the bound for all tests together.

(11) *Iterative correction.* Marginals :math:`m_i = w_i\sum_j c_{ij}w_j` of the pixels not ignored,
:math:`w_i \leftarrow w_i\,\bar m/m_i`, until their variance is small; then :math:`w` is divided by
:math:`\sqrt{\bar m}`, so that every marginal is 1. The diagonal, if used, is counted once.

(12) *The same weights as a minimum.* With :math:`x = \log w` and the fixed point
:math:`w_i\sum_j c_{ij}w_j = 1`,

.. math::

    F(x) = \tfrac12\sum_{ij} c_{ij}\,e^{x_i+x_j} - \sum_i x_i, \qquad
    \nabla F = m - 1, \qquad \nabla^2F = \mathrm{diag}(m) + WCW

is convex, and Newton's method needs few steps where (11) needs hundreds.

(13) *Counts.* Negative binomial with :math:`\mathrm{Var} = \mu + \mu^2/\theta`, dispersion
:math:`\varphi = 1/\theta`:

.. math::

    \ell = \log\Gamma(y+\theta) - \log\Gamma(\theta) - \log y! + y\log\frac{\mu}{\mu+\theta}
    - \theta\log\Bigl(1 + \frac{\mu}{\theta}\Bigr), \qquad \log\mu = x^\top\beta + o

(14) *Coefficients at fixed* :math:`\theta`: weighted least squares of :math:`x^\top\beta +
(y-\mu)/\mu` with the weights :math:`\mu/(1+\mu/\theta)`, repeated; :math:`V = (X^\top WX)^{-1}` is
their covariance, since :math:`\beta` and :math:`\theta` are orthogonal.

(15) *Dispersion at fixed* :math:`\mu`: the root of

.. math::

    \sum\Bigl\{\psi(y+\theta) - \psi(\theta) + \log\frac{\theta}{\mu+\theta} + 1 -
    \frac{y+\theta}{\mu+\theta}\Bigr\} = 0

At :math:`\varphi = 0` the slope of :math:`\ell` is :math:`\tfrac12\sum\{(y-\mu)^2 - y\}`; when it
is not positive the counts are taken as Poisson.

(16) *Zeros without storing them.* Pixels that share their row :math:`x` also share the term of a
zero, :math:`-\theta\log(1+\mu/\theta)`: it is multiplied by the number of usable pairs of the row
(2) less the number stored.

(17) *Rows.* An intercept per replicate, slopes of log distance (or B-splines of distance) and of
the mean GC of both bins in each condition, shared slopes of mappability and restriction sites.

(18) *Strength at a pixel the fit has not seen.* With counts :math:`y_r` of the replicates,
:math:`\hat\mu_r = \exp(x_r^\top\hat\beta)` and a contrast :math:`a`,

.. math::

    L = \sum_r a_r\log_2\frac{y_r}{\hat\mu_r}, \qquad (\ln 2)^2\,\mathrm{Var}(L) \approx
    \Bigl(\sum_r a_rx_r\Bigr)^\top V\Bigl(\sum_r a_rx_r\Bigr)
    + \sum_r a_r^2\Bigl(\frac1{y_r} + \frac1\theta\Bigr)

The first term is the error of the expected: the uncertainty of the ratio for these counts. The
second is that of the counts, about the strength they were drawn with.

(19) *Tail and residual:* :math:`P(Y \ge y)`, and the signed root of twice the log-likelihood that
:math:`\mu` loses against :math:`y`.

(20) *Strength on the scale of counts* for a balanced expected: :math:`\log_2\{(c_{ij} + k)/
(E_d/(w_iw_j) + k)\}` with :math:`k = \tfrac12`, which a zero does not send to minus infinity.

(21) *Local background.* Over the donut: pixels within :math:`b` bins, not within :math:`a` bins,
and not in the row or column of the loop,

.. math:: E^\ast_{ij} = E_{ij} \frac{\sum_\mathrm{donut} O}{\sum_\mathrm{donut} E}

(22) *Pile-up:* mean of the windows around many loops, of each pixel over the windows that have it.

(23) *Aggregate strength:* (20) of the sums over patches of many loops; a masked pixel leaves both.

(24) *Difference between conditions:* of the mean strengths over replicates, with the interval of
Welch from their spread, or that of (18) from the model.

Identifying assumption
----------------------
Away from the loop, the contacts of its bins follow from distance, composition and depth in the same
way as those of the pixels that the expected was made from.

Which expected
--------------
* (4) is the mean over the pixels of one distance. It needs no model, but bins differ in how well
  they are seen: without weights, a loop between rich bins looks strong.
* (4) with weights supposes that every bin has the same coverage once technical effects are gone.
  That takes away what a bin truly has more of, and the noise of the weights enters the ratio.
* (13) explains the bins by what is known of them. It is the one with a likelihood, hence with
  a standard error, and the one that a small matrix can bear, where a diagonal has few pixels.
* (21) asks how a pixel differs from those around it: a loop within a domain may be weak by (21) and
  strong by (4).

Assumptions that make the answer wrong when they fail
-----------------------------------------------------
* Pixels of bins that are hardly mappable, or of a rearranged bin, in the mean: the expected is too
  low, or too high, and its slope with distance is wrong.
* The loop in its own expected: strength drawn towards zero, by up to half in a short diagonal.
* Zeros not counted: expected too high, the more so the farther the bins.
* One slope for conditions that differ in decay: error at the distances far from the middle.
* Pooled counts before the logarithm: the deepest replicate decides.

Deviations from published software
----------------------------------
* cooltools 0.7.1 smooths ignored diagonals as pixels without contacts, 0.9 % lower at distance 2 in
  the stored values; (5) leaves them out. `ignored_as_zero` gives theirs.
* Its mean of raw counts beside weights divides the sum over valid pairs by the number of all pairs.
* Its dots take (21) from sums of balanced contacts, in which pixels with few contacts weigh as much
  as others. `donut_ratio` gives either, by what it is handed.
* HiC-DC+ drops counts above the 97.5 % quantile and fits again; (13) leaves out named pixels only.

References
----------
Imakaev M et al. (2012) Iterative correction of Hi-C data reveals hallmarks of chromosome
organization. doi:10.1038/nmeth.2148
Knight PA, Ruiz D (2013) A fast algorithm for matrix balancing. doi:10.1093/imanum/drs019
Rao SSP et al. (2014) A 3D map of the human genome at kilobase resolution reveals principles of
chromatin looping. doi:10.1016/j.cell.2014.11.021
Sahin M et al. (2021) HiC-DC+ enables systematic 3D interaction calls and differential analysis for
Hi-C and HiChIP. doi:10.1038/s41467-021-23749-x
Open2C et al. (2024) Cooltools: enabling high-resolution Hi-C analysis in Python.
doi:10.1371/journal.pcbi.1012067
"""

from refsolve.methods.contact_expected.textbook.balancing import (
    Balanced,
    balance_objective,
    bins_to_balance,
    ice,
    newton,
    without_diagonals,
)
from refsolve.methods.contact_expected.textbook.expected import (
    Block,
    Diagonals,
    balanced,
    count_pairs,
    diagonals,
    expected_trans,
    mean_by_distance,
    observed_over_expected,
    pair_counts,
    pair_counts_between,
    pool,
    smooth,
    smooth_knots,
)
from refsolve.methods.contact_expected.textbook.glm import (
    NbFit,
    Rows,
    design,
    deviance_residual,
    dispersion_score,
    fit_nb,
    fit_poisson,
    fit_theta,
    irls,
    nb_log_likelihood,
    pearson_residual,
    spline_basis,
    strength_contrast,
    upper_tail,
    with_zeros,
)
from refsolve.methods.contact_expected.textbook.loops import (
    aggregate_strength,
    difference,
    donut_mask,
    donut_ratio,
    expected_counts,
    pile_up,
    pixel_strength,
    snippet,
)
from refsolve.methods.contact_expected.textbook.masks import (
    gap_threshold,
    low_coverage,
    per_chromosome_median,
    usable_pixels,
)
from refsolve.methods.contact_expected.textbook.stripes import (
    Levels,
    Scores,
    bin_levels,
    deviating,
    level_scores,
)

__all__ = [
    "Balanced",
    "Block",
    "Diagonals",
    "Levels",
    "NbFit",
    "Rows",
    "Scores",
    "aggregate_strength",
    "balance_objective",
    "balanced",
    "bin_levels",
    "bins_to_balance",
    "count_pairs",
    "design",
    "deviance_residual",
    "deviating",
    "diagonals",
    "difference",
    "dispersion_score",
    "donut_mask",
    "donut_ratio",
    "expected_counts",
    "expected_trans",
    "fit_nb",
    "fit_poisson",
    "fit_theta",
    "gap_threshold",
    "ice",
    "irls",
    "level_scores",
    "low_coverage",
    "mean_by_distance",
    "nb_log_likelihood",
    "newton",
    "observed_over_expected",
    "pair_counts",
    "pair_counts_between",
    "pearson_residual",
    "per_chromosome_median",
    "pile_up",
    "pixel_strength",
    "pool",
    "smooth",
    "smooth_knots",
    "snippet",
    "spline_basis",
    "strength_contrast",
    "upper_tail",
    "usable_pixels",
    "with_zeros",
    "without_diagonals",
]
