r"""Founder effects on a trait along the genome: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions.

Model
-----
:math:`y` are the traits of :math:`n` lines, :math:`X` covariates with the intercept (:math:`c`
columns), and :math:`P` the (:math:`n`, :math:`K`) founder probabilities at one position, which sum
to 1.

(1) *Kinship* of two lines is the chance that they carry one founder, averaged over :math:`M`
positions, :math:`K_{ij} = \frac1M\sum_m\sum_f P_{imf}P_{jmf}`. *Leave one chromosome out*: the
kinship for positions on a chromosome is made of all others.

(2) :math:`y \sim N(X\beta,\; \sigma^2V)`, :math:`V = h^2\,2K + (1-h^2)I`.

(3) *Likelihood.* With :math:`\hat\beta` by generalised least squares, :math:`R` the residual sum
of squares in :math:`V^{-1}`, and :math:`\nu = n` (full) or :math:`n-c` (restricted),

.. math::

    \ell = -\tfrac12\Bigl\{\nu\log\frac{2\pi R}{\nu} + \nu + \log|V|
    \;\bigl[\,+ \log|X^\top V^{-1}X| - \log|X^\top X|\,\bigr]\Bigr\}

(4) *Score.* With :math:`W = V^{-1} - V^{-1}X(X^\top V^{-1}X)^{-1}X^\top V^{-1}` and
:math:`D = 2K-I`,

.. math::

    \partial_{h^2}\ell = \tfrac12\Bigl\{\nu\,\frac{y^\top WDWy}{y^\top Wy} -
    \operatorname{tr}(WD)\Bigr\}

with :math:`\operatorname{tr}(V^{-1}D)` in the full likelihood. :math:`\hat h^2` is its root, or a
bound of [0, 1].

Scan
----
(5) *LOD.* :math:`h^2` is estimated without a QTL and kept. With :math:`R_0` and :math:`R_1` the
residual sums of squares of :math:`X` and of :math:`X` with all founders but one,

.. math::

    \mathrm{LOD} = \frac n2\log_{10}\frac{R_0}{R_1}, \qquad
    F = \frac{(R_0-R_1)/k}{R_1/(n-c-k)}

with :math:`k` the columns that the founders add to the rank of :math:`X`.

(6) *Exact LOD.* :math:`h^2` is found again at each position, and both sides are full likelihoods at
their own maximum.

(7) *Support interval.* From the last position before, to the first after, those within a drop of
the maximum; several positions of the same maximum give the mean as the peak.

(8) *Bayes interval.* Positions are taken in the order of their LOD until their share of
:math:`\sum_m 10^{\mathrm{LOD}_m}\Delta_m` reaches the level; :math:`\Delta` is half the distance
between both neighbours, and the whole distance to the only one at an end.

(9) *Threshold.* :math:`V^{-1/2}(y-X\hat\beta)`, with the symmetric root so that an entry belongs to
its line, is permuted within groups that may be exchanged, and taken back; the largest LOD of every
permutation is kept. *Several QTL*: the founders at the highest position join :math:`X`, until no
LOD exceeds the threshold.

Effects at a position
---------------------
(10) *Fixed:* least squares in :math:`V^{-1}` of :math:`(P, X_{-1})`; the effects are reported as
deviations from the mean over the founders that lines carry, which is the intercept. What no line
can tell is NaN.

(11) *Random:* :math:`u\sim N(0,\sigma_u^2I)`. After :math:`V^{-1/2}` from the left on
:math:`y, X` and :math:`Z = P`, the share :math:`\gamma = \sigma_u^2/(\sigma_u^2+\sigma_e^2)`
maximises the restricted likelihood (3) with :math:`V = \gamma ZZ^\top + (1-\gamma)I`.

(12) *Mixed-model equations.* With :math:`\sigma^2 = \sigma_u^2+\sigma_e^2`,

.. math::

    C\begin{pmatrix}\hat u\\\hat\beta\end{pmatrix} = \frac1{1-\gamma}
    \begin{pmatrix}Z^\top y\\X^\top y\end{pmatrix}, \qquad
    C = \frac1{1-\gamma}\begin{pmatrix}Z^\top Z & Z^\top X\\X^\top Z & X^\top X\end{pmatrix} +
    \frac1\gamma\begin{pmatrix}I & 0\\0 & 0\end{pmatrix}

and :math:`\sigma^2C^{-1}` is the covariance of :math:`\hat u-u` and :math:`\hat\beta`. A founder
minus the mean of all founders has a smaller standard error than the founder itself, which shares
its error with the intercept.

What identifies the effects
---------------------------
Lines of the same founder at a position differ by what is modelled only: other places act through
kinship, batches through :math:`X`, and what is left is independent with one variance.

Deviations from published software
----------------------------------
* R/qtl2's ``scan1blup(se = TRUE)`` puts rotated founders beside covariates that were not rotated
  into eq. (12); its standard errors were 0.66 to 1.95 times the right ones on the stored lines.
* R/qtl2 searches :math:`h^2` to about 1e-7; here it is the root of eq. (4).

References
----------
Kang HM et al. (2008) Efficient control of population structure in model organism association
mapping. doi:10.1534/genetics.107.080101
Lippert C et al. (2011) FaST linear mixed models for genome-wide association studies.
doi:10.1038/nmeth.1681
Robinson GK (1991) That BLUP is a good thing: the estimation of random effects.
doi:10.1214/ss/1177011926
Churchill GA, Doerge RW (1994) Empirical threshold values for quantitative trait mapping.
doi:10.1093/genetics/138.3.963
Abney M (2015) Permutation testing in the presence of polygenic variation.
doi:10.1002/gepi.21893
Broman KW et al. (2019) R/qtl2: software for mapping quantitative trait loci with high-dimensional
data and multiparent populations. doi:10.1534/genetics.118.301595
"""

from refsolve.methods.lmm_scan.textbook.effects import Effects, blue, blup
from refsolve.methods.lmm_scan.textbook.mixed import (
    Criterion,
    NullFit,
    best_share,
    covariance,
    fit_null,
    kinship,
    loco,
    log_likelihood,
    score,
    whitened,
)
from refsolve.methods.lmm_scan.textbook.scanning import (
    Profile,
    bayes_interval,
    forward_search,
    lod_interval,
    permutation_maxima,
    permuted_within,
    residual,
    scan,
)

__all__ = [
    "Criterion",
    "Effects",
    "NullFit",
    "Profile",
    "bayes_interval",
    "best_share",
    "blue",
    "blup",
    "covariance",
    "fit_null",
    "forward_search",
    "kinship",
    "loco",
    "lod_interval",
    "log_likelihood",
    "permutation_maxima",
    "permuted_within",
    "residual",
    "scan",
    "score",
    "whitened",
]
