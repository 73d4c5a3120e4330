r"""Ambient RNA: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions. Genes are
rows, droplets are columns. A droplet with :math:`N` counts holds native RNA and a share
:math:`\rho` of ambient RNA, whose composition :math:`a` is that of empty droplets.

Profile
-------
(1) :math:`a_g = \sum_e y_{ge} / \sum_e N_e` over empty droplets.

(2) Its standard error is :math:`\sqrt{a_g(1-a_g)\phi/N_e}`; :math:`\phi` is Pearson's statistic of
empty droplets around :math:`a` over its degrees of freedom.

(3) On log total against log rank, the *inflection* is the steepest fall, and the *knee* the point
before it that lies farthest above the straight line from the largest droplet to the inflection. A
droplet is empty when its probability under :math:`a` is not unusual. Droplets' own profiles may
vary as Dirichlet variables with the parameters :math:`\alpha a_g`: then
:math:`\phi = (N+\alpha)/(1+\alpha)`, and the larger a droplet, the less multinomial it is.

Contamination
-------------
(4) Of a cell that cannot make gene :math:`m`: :math:`\hat\rho = O_m/(N a_m)`, cut at 0 and at a
largest value.

(5) Common to many cells: :math:`O \sim \mathrm{Poisson}(\rho E)`, :math:`E = a_m \sum N`, so
:math:`\hat\rho = O/E`. The interval is where the log-likelihood is within half a chi-squared
quantile; with the error of :math:`a_m` it is profiled over :math:`\log a_m \sim N(\log\hat a_m,
v)`.

(6) The Gamma distribution with mode :math:`m` and standard deviation :math:`s` has the shape
:math:`k = 1 + \{1+\sqrt{1+4v^2}\}/(2v^2)`, :math:`v = s/m`, and the scale :math:`m/(k-1)`.

(7) Posterior of :math:`\rho` from one gene: Gamma with shape :math:`k + O` and scale
:math:`\theta/(1+\theta E)`; densities of many genes are averaged.

(8) Groups that borrow from each other: :math:`\rho_d \sim \Gamma(k, k/m)` makes :math:`O_d`
negative binomial; :math:`k, m` maximise that likelihood and :math:`\hat\rho_d = (k+O_d)/(k/m+E_d)`,
with the variance :math:`(k+O_d)/(k/m+E_d)^2`.

Correction
----------
(9) Expected ambient counts :math:`\rho_c N_c a_g`.

(10) Removal of exactly :math:`\rho_c N_c` counts in proportion to :math:`a`, where no gene gives
more than it has: find :math:`\lambda` with :math:`\sum_g \min(y_g, \lambda a_g) = \rho N`.

(11) The same for the sums of a cluster; what a gene loses is shared among the cells in proportion
to :math:`\rho_c N_c`, no cell giving more than it has.

(12) At least one of :math:`y` counts is native with probability :math:`1-(1-\pi)^y`,
:math:`\pi` the native share of the mean.

Groups
------
(13) A gap is the distance between neighbours over the standard deviation within the two groups that
it makes; the widest has at least two values on both sides.

(14) Its p value is the share of samples of one normal distribution with a gap as wide.

(15) Mixture of two normal distributions by expectation and maximisation.

(16) Two groups are as separate as the distance of their means over the standard deviation within
them, the smaller of this on the values and on their square roots; the best cut has a tenth of the
values, and two, on both sides. Where values have errors, :math:`1/(\tau^2+\mathrm{se}^2)` weighs
them, and the variance within is no smaller than that of the errors.

(17) The widest distribution with one mode is uniform: the p value of (16) is the share of samples
that are uniform between the smallest and the largest value and as separate; it is no smaller than
that of the values' chi-squared statistic around their weighted mean.

(18) Of a distribution with one mode, the density falls from the mode to both ends. Of the values
in an interval and in the window of the same width beyond it, on at least one side each lies in the
interval with probability 1/2 or more. A valley holds so few values that a fair coin would not: the
p value is that of the coin on the emptier side, times the number of intervals tried.
"""
