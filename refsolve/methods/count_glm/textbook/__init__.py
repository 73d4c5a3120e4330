r"""Regression of counts with an ambient part: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions.

Model
-----
(1) :math:`\mu = A + S e^{\eta}`, :math:`\eta = x'\beta + u_d`: with :math:`N` counts, a share
:math:`\rho` of ambient RNA and the ambient share :math:`a` of the gene, :math:`A = \rho N a` and
:math:`S = (1-\rho)N`. :math:`A = 0` is the usual log-linear model with the offset :math:`\log S`.
:math:`m = S e^\eta` is the native mean.

(2) Poisson, or negative binomial with the variance :math:`\mu+\alpha\mu^2`.

(3) :math:`\partial\ell/\partial\eta = m(y-\mu)/\{\mu(1+\alpha\mu)\}`; expected information
:math:`m^2/\{\mu(1+\alpha\mu)\}`. (The observed one can be negative where :math:`y < A`.) The
correction of Firth's type maximises :math:`\ell + \tfrac12\log\det X'WX`; it is Firth's own for
Poisson counts with :math:`A = 0`, where the link is the canonical one.

(4) :math:`\alpha` maximises the profile likelihood, less :math:`\tfrac12\log\det X'WX` where
adjusted.

(5) Quasi-Poisson scale: Pearson's statistic over its degrees of freedom.

(6) Robust covariance: :math:`I^{-1} \sum_c s_c s_c' I^{-1} \cdot C/(C-1)`, :math:`s_c` the score
summed over cluster :math:`c`.

Donors
------
(7) :math:`u_d \sim N(0, \sigma^2)`.

(8) :math:`\int \prod_{c\in d} p(y_c|u) N(u; 0,\sigma^2)\,du` by Gauss-Hermite nodes about the mode,
in units of the curvature there; one node is Laplace's approximation.

(9) For Poisson counts whose covariates are the same within a donor, :math:`\sum y`, :math:`\sum S`
and :math:`\sum A` are sufficient.

Tests
-----
(10) Score: with :math:`\tilde g` the part of a variant that the covariates leave in the metric of
:math:`W`, :math:`U = \sum \tilde g\,\partial\ell/\partial\eta`, :math:`V = \sum W\tilde g^2`,
:math:`U^2/V \sim \chi^2_1`; the effect of one step is :math:`U/V`.

(11) Likelihood ratio at one :math:`\alpha`.

(12) Cauchy combination: :math:`\mathrm{mean}\{\tan((\tfrac12-p)\pi)\}` is Cauchy for large values
whatever the dependence.

(13) The smallest p value of a gene under permutation is nearly beta distributed; its two parameters
by maximum likelihood.

(14) Errors of :math:`\rho`: :math:`I^{-1} + I^{-1} \{\sum (\partial\mu/\partial\rho)^2
\mathrm{se}_\rho^2\, w^2 x x'\} I^{-1}` with :math:`w = m/\{\mu(1+\alpha\mu)\}`.

Native variance
---------------
(15) Donors differ in their native rate, and ambient counts are Poisson: the count is the sum of a
Poisson count of mean :math:`A` and a negative-binomial one of mean :math:`m` (Delaporte's
distribution), and its variance is :math:`\mu + \alpha m^2`. In (2) the ambient part would vary with
the donor as well, and contaminated donors count for too little.

(16) Quasi-score :math:`\sum x\,m(y-\mu)/(\mu+\alpha m^2)` and information
:math:`\sum x x'\,m^2/(\mu+\alpha m^2)`.

(17) :math:`\alpha` makes :math:`\sum (y-\mu)^2/(\mu+\alpha m^2)` equal to its degrees of freedom.

(18) The likelihood takes :math:`\sigma` too small, as if the coefficients were known. With the
information :math:`I(\sigma^2) = \sum_d X'WX - X'W1\,1'WX/(1'W1+\sigma^{-2})`, at the donors'
modes, adjusted is the :math:`\sigma^2` at which the slope of the profile log-likelihood is that of
:math:`\tfrac12\log\det I`, the weights held.
"""
