r"""Direct effects of several exposures from correlated variants: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions.

Alleles
-------
(1) A pair of alleles (effect, other) lies on the reference pair as it is, *swapped*, *on the other
strand* (each base complemented), or both. An effect changes sign when the pair is swapped; its
frequency becomes :math:`1-f`. A pair that is its own complement (A/T, C/G) is a *palindrome*:
swapped and other strand look alike.

(2) With :math:`f` the frequency after the labels were made to agree and :math:`f_0` that of the
reference, a palindrome was read from the other strand with log-odds

.. math::

    \log\frac{\pi}{1-\pi} + \log N(f;\,1-f_0, v) - \log N(f;\,f_0, v), \qquad
    v = f_0(1-f_0)\Big(\frac{1}{2n} + \frac{1}{2n_0}\Big) + \sigma_F^2

where :math:`\pi = (s+\tfrac12)/(m+1)` when :math:`s` of the :math:`m` variants whose alleles show
it were on the other strand, and :math:`\sigma_F` is the drift between populations. It is kept when
the odds exceed 99 one way or the other. :math:`|f-f_0| > 4\sqrt v` afterwards is a conflict.

(3) With :math:`D` studies and no reference frequency, the pattern :math:`o \in \{0,1\}^D` of other
strands has the weight :math:`\prod_d \pi_d^{o_d}(1-\pi_d)^{1-o_d} \int \prod_d N(f_d^{(o_d)};\,\mu,
v_d)\,d\mu`, with :math:`f^{(1)} = 1-f`.

Scale
-----
(4) Effects on :math:`\ln` or :math:`\log_2` of a concentration are multiplied by
:math:`1/\ln 10` or :math:`\log_{10} 2`, and all of them divided by the standard deviation of
:math:`\log_{10}` of it.

(5) That standard deviation is the one *within* batches,
:math:`\sigma^2 = \sum_b (n_b-1)s_b^2 / \sum_b(n_b-1)`. Pooling the batches adds
:math:`\sum_b n_b(\bar x_b-\bar x)^2/(n-1)`.

(6) :math:`\log s_b` has the standard error :math:`1/\sqrt{2(n_b-1)}`: a batch whose log spread
lies many of them from the others measured something else.

(7) The standard deviation of an allele count is :math:`d = \sqrt{2f(1-f)}`, and
:math:`\sigma/(\sqrt n\,\mathrm{se})` where the frequency is unknown.

(8) To first order, log odds times :math:`P(1-P)` are effects on the 0/1 scale of a sample with a
share :math:`P` of cases, and times :math:`K(1-K)/\varphi(\Phi^{-1}(1-K))` effects on liability,
with :math:`K` the prevalence in the population.

Instruments
-----------
(9) Marginal: two-sided :math:`p` of :math:`z = \hat\beta/\mathrm{se}` below a threshold for any
exposure. Clumped: the strongest first, leaving out those whose squared LD with it is too high.

(10) Conditional: the score of variant :math:`j` beside a set :math:`S` is
:math:`(z_j - R_{jS}R_{SS}^{-1}z_S)/\sqrt{1-R_{jS}R_{SS}^{-1}R_{Sj}}`. Variants enter in turn while
the largest exceeds a limit; one that falls below it leaves.

Effects of the exposures
------------------------
(11) With :math:`R` the signed LD, :math:`B` the joint effects of the variants on the exposures and
:math:`a` those on the outcome directly, both per standard deviation of the allele count, marginal
effects per allele are

.. math::

    \hat b_{X} \sim N(D_d^{-1}RB,\; c_{kl}\,D_kRD_l), \qquad
    \hat b_{Y} \sim N(D_d^{-1}R(B\theta + a),\; D_YRD_Y)

where :math:`D_k, D_Y` hold the standard errors and :math:`c` is the correlation of the noise
between exposures. A direct effect *on a single variant* has :math:`R^{-1}` in front of :math:`a`.
A panel's LD is shrunk, :math:`(1-\varepsilon)R + \varepsilon I`.

(12) Generalised least squares, with :math:`\Omega = D_YRD_Y` and :math:`P = \Omega^{-1} -
\Omega^{-1}X(X^\top\Omega^{-1}X)^{-1}X^\top\Omega^{-1}`:

.. math::

    \hat\theta = (X^\top\Omega^{-1}X)^{-1}X^\top\Omega^{-1}\hat b_Y, \quad
    \mathrm{Cov} = (X^\top\Omega^{-1}X)^{-1}, \quad Q = \hat b_Y^\top P\,\hat b_Y

(13) Overdispersion multiplies the covariance by :math:`\max(1, Q/(J-K))`, or adds
:math:`\tau^2 S` to :math:`\Omega` such that :math:`Q(\tau^2) = J-K`.

(14) Egger: every variant is turned so that one exposure rises, and an intercept joins :math:`X`.

(15) Whitening: with :math:`R = U\Lambda U^\top`, :math:`y = \Lambda^{-1/2}U^\top D_Y^{-1}\hat b_Y`
and :math:`x` alike; or :math:`L^{-1}\hat b` with :math:`\Omega = LL^\top`. Where the ratio
:math:`\mathrm{se}_{X_k}/\mathrm{se}_Y = \rho_k` is the same for all variants, the noise of a row of
:math:`x` is :math:`\Sigma_{kl} = c_{kl}\rho_k\rho_l`.

(16) Limited-information maximum likelihood minimises
:math:`|y-x\theta|^2/(1+\theta^\top\Sigma\theta)`. The minimum :math:`Q` is the smallest root of
:math:`|M^\top M - Q\,\mathrm{diag}(1,\Sigma)| = 0` with :math:`M = (y, x)`, and
:math:`\theta = -v_X/v_Y` its vector. With :math:`v = 1+\theta^\top\Sigma\theta` the covariance is

.. math::

    A^{-1}BA^{-1}, \quad A = \frac{x^\top x - J\Sigma}{v}, \quad
    B = \frac{x^\top x}{v} - \frac{J}{v^2}\,\Sigma\theta\theta^\top\Sigma

(17) Without the common ratio, the continuously updated form is minimised:
:math:`(\hat b_Y-\hat b_X\theta)^\top\{\Omega + \sum_{kl}\theta_k\theta_lS_{kl}\}^{-1}
(\hat b_Y-\hat b_X\theta)`, with :math:`S_{kl} = c_{kl}D_kRD_l`.

(18) The same on joint effects, as published programs have it: :math:`a_j = 1/(n\,\mathrm{se}_j^2 +
\hat b_j^2)`, :math:`A = \sqrt{aa^\top}\circ R`, :math:`\hat\gamma = A^{-1}(a\circ\hat b)`,
:math:`\mathrm{Cov} = A^{-1}\{1-(a\circ\hat b)^\top\hat\gamma\}/(n-J+1)`; between two exposures
:math:`A^{-1}` is that of the product of the symmetric roots and 1 is :math:`c_{kl}`.

(19) Strength: the smallest root of :math:`|x^\top x - F(J-K+1)\Sigma| = 0`. This is what
:math:`\min_\delta` over the other exposures gives for every exposure alike; with :math:`\delta` by
least squares it differs between them. Leading components of LD weighted by
:math:`\sum_k|\hat b_{X_k}|/\mathrm{se}_Y` may replace the variants in (17).

Direct effects
--------------
(20) Balanced: :math:`v_i = 1+\theta^\top\Sigma\theta+\tau^2\lambda_i` in the eigenbasis, with
:math:`\lambda` the eigenvalues of :math:`R` when direct effects spread through LD, their inverses
when they sit on single variants. With :math:`e = y - x\theta` and :math:`h` the leverages,

.. math::

    \sum_i \frac{e_i}{v_i}\Big(x_i + \frac{e_i}{v_i}\Sigma\theta\Big) = 0, \qquad
    \sum_i \lambda_i\Big\{\frac{e_i^2}{v_i^2} - \frac{1-h_i}{v_i}\Big\} = 0, \qquad \tau^2 \ge 0

The first is the minimum of :math:`\sum e_i^2/v_i` (no :math:`\log v`: the effects on the exposures
are profiled out). Covariance :math:`A^{-1}BA^{-1}` with

.. math::

    A = \sum_i\frac{x_ix_i^\top-\Sigma}{v_i}, \quad B = \sum_i\frac{x_ix_i^\top}{v_i} +
    \Big\{\frac{2(\sum\lambda_i/v_i^2)^2}{\sum\lambda_i^2/v_i^2} - \sum_i\frac1{v_i^2}\Big\}
    \Sigma\theta\theta^\top\Sigma

where the first term in braces is the error of :math:`\hat\tau^2`; it is
:math:`2\sum v_i^{-2}` for constant :math:`\lambda`, and absent where :math:`\hat\tau^2 = 0`.
:math:`\lambda = 1` is a factor :math:`1+\tau^2` of the outcome's variance, with :math:`Q = J-K`.

(21) Redescending: weights :math:`w(u) = (1-u^2/c^2)_+^2` of :math:`u = e/(s\sqrt v)`, iterated from
the least trimmed squares of half of the rows, with :math:`s = \max(1, \mathrm{median}|e/\sqrt
v|/0.6745)` fixed there; each step minimises (16) with rows weighted by :math:`\sqrt w`. Rows are
whitened by Cholesky in the order of position, so that a direct effect on one variant stays in few
rows. The covariance is that of (16) times
:math:`s^2\,\frac{\sum\psi^2/(J-K)}{(\overline{\psi'})^2}` with :math:`\psi = uw`.

(22) A direct effect of variant :math:`j` adds :math:`\alpha s_j` to the outcome: :math:`s_j` is
column :math:`j` of :math:`D_Y` when it sits on the variant, of :math:`D_YR` when it spreads through
LD. Beside the exposures its score is :math:`s_j^\top P\hat b_Y/\sqrt{s_j^\top Ps_j}`.

(23) The variant with the largest score is removed (single variants: modelling its effect and
removing it are the same), or its column added, until no score exceeds a limit.

(24) Sets of :math:`m` direct effects out of :math:`M` candidates are compared by
:math:`J\log f + Q/f + m\log J + 2\log\binom{M}{m}`, with :math:`f = \max(1, Q/J)` and :math:`Q`
beside the set, in units of :math:`1+\theta^\top\Sigma\theta`. The smallest value over all sets and
both shapes is the answer; the steps of (23) can miss it when neighbours in LD both have an effect.

(25) Constrained likelihood: the set :math:`V` of invalid variants that minimises
:math:`Q_{-V} + |V|\log n`, with :math:`Q` of (17) over the others.

Winner's curse
--------------
(26) A score :math:`Z\sim N(\mu,1)` that was reported because :math:`|Z|>c` has the density
:math:`\varphi(z-\mu)/p_c(\mu)`, :math:`p_c = \Phi(\mu-c)+\Phi(-\mu-c)`, and the mean
:math:`\mu + \{\varphi(c-\mu)-\varphi(c+\mu)\}/p_c(\mu)`.

(27) The conditional maximum-likelihood :math:`\mu` is the one with that mean at the score seen. Its
interval holds every :math:`\mu` under which the score is not in a tail.

(28) With a second phase, maximise :math:`-\tfrac12(\bar b-\beta)^2/\bar V - \log
p_c(\beta/\mathrm{se}_1)`.

(29) Pooled: :math:`T = V(\Sigma_1^{-1}b_1+\Sigma_2^{-1}b_2)` with
:math:`V = (\Sigma_1^{-1}+\Sigma_2^{-1})^{-1}`. Where people overlap, phase 2 is first replaced by
its part independent of phase 1, :math:`(I-G)^{-1}(b_2-Gb_1)` with
:math:`G = \Sigma_{21}\Sigma_1^{-1}`.

(30) Rao–Blackwell: phase 2 is unbiased given the selection :math:`S` by phase 1; its mean given
:math:`T` is so too, and less variable:

.. math::

    E[b_2\mid T,S] = \Sigma_2\{V^{-1}T - \Sigma_1^{-1}E[b_1\mid T,S]\}, \qquad
    b_1\mid T \sim N(T, \Sigma_1-V)

The inner mean is that of a normal vector of which the selected entries lie outside
:math:`\pm c\,\mathrm{se}_1`: a sum over sign patterns of orthant moments.

Diagnostics
-----------
(31) :math:`Q\sim\chi^2_{J-K}`; :math:`I^2 = 1-(J-K)/Q`.

(32) Leverage: the diagonal of :math:`x(x^\top x)^{-1}x^\top`. Influence: the estimate without each
variant in turn.

(33) A score against the others: :math:`t_j = (z_j-R_{j,-j}R_{-j}^{-1}z_{-j}) /
\sqrt{1-R_{j,-j}R_{-j}^{-1}R_{-j,j}}`. Where :math:`-z_j` fits much better, a sign is wrong.

(34) Noise adds :math:`J\Sigma` to :math:`x^\top x`. A parametric bootstrap starts from
:math:`x^*` with :math:`x^{*\top}x^* = x^\top x - J\Sigma`, or it adds the noise twice.

What identifies the effects
---------------------------
Every variant acts on the outcome through the exposures only, apart from direct effects that are
few, or balanced around zero and unrelated to the effects on the exposures; the exposures' effects
are not proportional to each other over the variants; LD, alleles and units are those of the data.

Deviations from published programs
----------------------------------
* mr_mvgmm and mr_mvpcgmm of MendelianRandomization search (17) with a gradient that leaves out the
  derivative of the covariance and stop short of the minimum; their conditional F differs between
  two exposures where (19) cannot.
* MVMR divides the conditional F by :math:`J`, here by :math:`J-K+1`; its qhet_mvmr reports an
  objective in place of :math:`\tau^2`.
* TwoSampleMR decides palindromes by two fixed frequencies, here by posterior odds, and keeps
  variants whose frequencies conflict without a mark.
* winnerscurse's UMVCUE also conditions on ranks; (30) conditions on the threshold alone.

References
----------
Sanderson E, Spiller W, Bowden J (2021) Testing and correcting for weak and pleiotropic instruments
in two-sample multivariable Mendelian randomization. doi:10.1002/sim.9133
Zhao Q et al. (2020) Statistical inference in two-sample summary-data Mendelian randomization using
robust adjusted profile score. doi:10.1214/19-AOS1866
Patel A et al. (2024) Robust use of phenotypic heterogeneity at drug target genes for mechanistic
insights: application of cis-multivariable Mendelian randomization to GLP1R gene region. Genetic
Epidemiology 48.
Xue H, Shen X, Pan W (2021) Constrained maximum likelihood-based Mendelian randomization robust to
both correlated and uncorrelated pleiotropic effects. doi:10.1016/j.ajhg.2021.05.014
Zhong H, Prentice RL (2008) Bias-reduced estimators and confidence intervals for odds ratios in
genome-wide association studies. doi:10.1093/biostatistics/kxn001
Bowden J, Dudbridge F (2009) Unbiased estimation of odds ratios: combining genomewide association
scans with replication studies. doi:10.1002/gepi.20394
Yang J et al. (2012) Conditional and joint multiple-SNP analysis of GWAS summary statistics.
doi:10.1038/ng.2213
"""

from refsolve.methods.mvmr.textbook import (
    alleles,
    diagnostics,
    pleiotropy,
    regression,
    scale,
    selection,
    winners,
)

__all__ = [
    "alleles",
    "diagnostics",
    "pleiotropy",
    "regression",
    "scale",
    "selection",
    "winners",
]
