r"""Counts of donors, their dispersions and their tests: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions. Genes are
rows, samples (one donor's cells of one type, summed) are columns. :math:`y_{gi}` is a count,
:math:`N_i` the sum of a sample, :math:`f_i` its factor, :math:`X` the design of :math:`p` columns.

Between samples
---------------
(1) *Trimmed mean of M values* against a reference :math:`r`, the sample whose upper quartile of
:math:`y/N` is nearest to the mean of these: with :math:`M_g = \log_2 (y_{gi}/N_i)/(y_{gr}/N_r)`,
:math:`A_g = \tfrac12\log_2 (y_{gi}/N_i)(y_{gr}/N_r)` and :math:`v_g = (N_i-y_{gi})/(N_i y_{gi}) +
(N_r-y_{gr})/(N_r y_{gr})`, genes whose ranks of :math:`M` lie in the outer 30 % on a side or of
:math:`A` in the outer 5 % are left out, and :math:`\log_2 f_i = \sum M_g v_g^{-1} / \sum v_g^{-1}`.
Factors are divided by their geometric mean. :math:`N_i f_i` is the effective library.

(2) *Median of ratios*: :math:`s_i` is the median over genes of :math:`y_{gi}/(\prod_j
y_{gj})^{1/n}`.

(3) *Testable* is a gene with at least :math:`10 / \mathrm{median}(N)` of the reads in :math:`n_0`
samples and 15 counts in all; :math:`n_0 = 1/\max_i h_i`, the reciprocal of the largest leverage of
the design, beyond 10 only seven tenths of it count.

Negative-binomial regression
----------------------------
(4) :math:`y \sim \mathrm{NB}(\mu, \phi)` with variance :math:`\mu + \phi\mu^2` and :math:`\log\mu =
X\beta + \log N f`.

(5) Unit deviance :math:`2\{y\log(y/\mu) - (y+1/\phi)\log[(1+\phi y)/(1+\phi\mu)]\}`.

(6) Adjusted profile likelihood :math:`\ell(\hat\beta_\phi,\phi) - \tfrac12\log\det X'WX`,
:math:`W = \mathrm{diag}\{\mu/(1+\phi\mu)\}`. Counts whose mean runs to zero leave it together with
the coefficients that only they inform; the value changes by a constant. It is zero where
as many coefficients are left as counts.

Shared dispersions
------------------
(7) *Common*: the maximum of the sum of (6) over genes. It is taken on a grid of
:math:`\phi = 0.1\cdot 2^{-10..10}`, joined by a cubic spline.

(8) *Trend*: (6) averaged over genes of similar abundance. The average is a local mean with tricube
weights on the nearest :math:`\tfrac14 + \tfrac34 (50/G)^{1/2}` of the genes, evaluated at the ends
of the range, its half, quarters and so on until the steps are below 0.8 bandwidths, and linear
between.

(9) *Own*: (6) plus :math:`d_0/(n-p)` times the average of (8). :math:`d_0` comes from residual
variances :math:`s_g^2` on :math:`d_g` degrees of freedom at the trend: if :math:`s_g^2 \sim s_0^2
F_{d_g,d_0}`, then :math:`e_g = \log s_g^2 - \psi(d_g/2) + \log(d_g/2)` has the mean :math:`\log
s_0^2 - \psi(d_0/2) + \log(d_0/2)`, fitted by a natural spline in abundance, and the variance
:math:`\psi'(d_g/2) + \psi'(d_0/2)`.

Quasi-likelihood
----------------
(10) With :math:`s_g^2` = deviance / :math:`d_g` at the trended dispersion, :math:`\tilde s_g^2 =
(d_0 s_0^2 + d_g s_g^2)/(d_0+d_g)` and :math:`F = \{D(\text{null}) - D(\text{full})\}/\tilde s_g^2`
on 1 and :math:`d_0+d_g` degrees of freedom. Fits that are exactly zero have no degrees of freedom.
Where :math:`\tilde s^2 (1+\phi\mu) < 1` for a sample, p is not below that of the Poisson
likelihood-ratio test.

Linear models
-------------
(11) Log counts per million :math:`\log_2\{(y+\tfrac12)/(N f+1)\cdot 10^6\}` have the precision
:math:`\hat v(\hat\mu)^{-4}`, :math:`\hat v` being a robust local line of the root of the residual
standard deviation on the mean log count.

(12) Moderated t: :math:`\hat\beta_k / (\tilde s_g \sqrt{c_{kk}})` on :math:`d_0+d_g` degrees of
freedom.

(13) Precision of samples :math:`w_i = \exp(-z_i'\gamma)`, :math:`z` contrasts that sum to zero.
Gene by gene :math:`\gamma` moves by :math:`I^{-1} z'\{w r^2/s^2 - (1-h)\}` with the information
:math:`I` summed so far, starting at ten genes' worth.

(14) Correlation in blocks: REML of each gene, averaged on Fisher's scale without the outer 15 % on
each side. Weighted residuals :math:`\sqrt{w}\,r` have that correlation.

Posterior dispersions
---------------------
(15) :math:`\hat\phi_g` maximises (6) at the means of a first fit. A gene whose moments show no
overdispersion keeps the least dispersion, and none moves for a gain below a millionth of its
likelihood.

(16) :math:`\phi(\bar\mu) = a_0 + a_1/\bar\mu` by gamma regression of :math:`\hat\phi`, genes with
ratios outside (0.0001, 15) left out, until it stays.

(17) :math:`\log\phi_g \sim N(\log\phi(\bar\mu_g), \sigma^2)`, :math:`\sigma^2 =
\max\{\mathrm{MAD}^2(\log\hat\phi_g - \log\phi(\bar\mu_g)) - \psi'((n-p)/2), \tfrac14\}`; the
mode is used unless :math:`\hat\phi_g` lies more than two MADs above the trend.

(18) Wald test :math:`\hat\beta_k/\mathrm{se}`, normal.

Donors and cells
----------------
(19) Intraclass correlation by analysis of variance :math:`(B-W)/\{B+(n_0-1)W\}`, :math:`B` and
:math:`W` the mean squares between and within donors, :math:`n_0 = (n-\sum n_d^2/n)/(D-1)`.

(20) Design effect of a comparison of cells: in a group with :math:`n_d` cells of each donor the
variance of the mean is :math:`\{1+\rho(\sum n_d^2/n - 1)\}/n` and not :math:`1/n`.

(21) A test of cells at level :math:`\alpha` rejects a true null with probability
:math:`2\Phi(-z_{\alpha/2}/\sqrt{\text{design effect}})`.
"""
