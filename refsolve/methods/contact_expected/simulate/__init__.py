r"""Contact matrices with distance decay, structure and bias, together with the truth.

The mean of a pixel is the depth of its replicate times the *background* (distance, GC,
mappability, restriction sites, compartments, domains, visibility of both bins), times what loops
and stripes add to it. Counts are negative binomial. Nothing is estimated here.

What a naive analysis of these matrices gets
--------------------------------------------
:math:`F` is the true ratio of a loop, :math:`\mu` its mean count without the loop, :math:`n_d` the
pixels of its distance, strength is :math:`\log_2`.

(a) *The loop in its own expected.* The mean over :math:`n_d` pixels rises to
    :math:`E_d\{1 + (F-1)/n_d\}`: strength lower by :math:`\log_2\{1 + (F-1)/n_d\}`.

(b) *Bins of low mappability kept.* With the share :math:`q_d` of pixels that touch one, of relative
    mean :math:`m`, the mean falls to :math:`E_d\{1 - q_d(1-m)\}`: strength higher by minus the log2
    of the braces.

(c) *A stripe kept.* The same with :math:`m = 2^s`: lower for :math:`s > 0`, higher for a depleted
    bin. A loop on the stripe itself is wrong by :math:`+s`.

(d) *Zeros not counted.* The mean over pixels with contacts is :math:`\mu/\{1 -
    (1+\varphi\mu)^{-1/\varphi}\}`: strength lower, the more so where pixels are nearly empty.

(e) *Wider bins.* One pixel among :math:`k^2` of equal mean: :math:`F` becomes
    :math:`1 + (F-1)/k^2`.

(f) *One slope for all conditions.* A condition whose slope differs by :math:`\delta` from the
    common one has an expected that is wrong by :math:`\delta(\log d - \overline{\log d})`, with the
    mean over the pixels weighted as in the fit.

(g) *GC left out.* Strength is wrong by :math:`\beta_{gc}(g_{ij} - \bar g)/\ln 2`.

(h) *Pooled counts.* :math:`\log_2(\sum y_r/\sum\mu_r)` weighs replicates by depth. The mean of the
    log2 has the bias :math:`-\{\overline{1/(F\mu_r)} + \varphi\}/(2\ln 2)`, which is small unless
    counts are.
"""

from refsolve.methods.contact_expected.simulate.coarse import coarsen
from refsolve.methods.contact_expected.simulate.contacts import (
    SimulatedContacts,
    simulate_contacts,
)
from refsolve.methods.contact_expected.simulate.design import ContactDesign, Landscape

__all__ = ["ContactDesign", "Landscape", "SimulatedContacts", "coarsen", "simulate_contacts"]
