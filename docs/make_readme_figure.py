"""Draw the figure of the README: `python docs/make_readme_figure.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from refsolve.methods.wright_fisher import (
    Samples,
    SelectionFit,
    SimulatedLoci,
    fit_selection,
    plot,
    posterior_trajectory,
    simulate_loci,
)

TARGET = Path(__file__).resolve().parent / "_static" / "wf_selection.svg"
LABELS = ("locus A", "locus B")
BOTTLENECK = slice(45, 52)
STYLE = {
    "font.size": 10,
    "svg.fonttype": "path",
    "svg.hashsalt": "refsolve",
    "path.simplify_threshold": 0.2,
}


def data() -> SimulatedLoci:
    """Two loci with damaged reads and a gap, through one bottleneck."""
    sizes = np.full(81, 10_000)
    sizes[BOTTLENECK] = 60
    total = np.full(21, 60)
    total[[4, 5, 6, 15]] = 0
    return simulate_loci(
        selection=[0.07, 0.01],
        sizes=sizes,
        generation=np.arange(0, 81, 4),
        total=total,
        start_frequency=[0.06, 0.45],
        e_da=0.2,
        e_ad=0.01,
        rng=4,
    )


def draw_paths(ax: Axes, loci: SimulatedLoci, fits: list[SelectionFit]) -> None:
    """Reads, posterior of the frequency, and truth of both loci."""
    ax.axvspan(BOTTLENECK.start, BOTTLENECK.stop, color="0.92", lw=0)
    ax.annotate("bottleneck", (np.mean([BOTTLENECK.start, BOTTLENECK.stop]), 1.05), ha="center")
    time = np.arange(loci.path.shape[1])
    for i, (colour, fit) in enumerate(zip(plot.LOCUS_COLOURS, fits, strict=False)):
        samples = Samples(**loci.observed).select(slice(i, i + 1))
        posterior = posterior_trajectory(samples, loci.sizes, fit.s)
        ax.fill_between(time, posterior.lower, posterior.upper, color=colour, alpha=0.2, lw=0)
        ax.plot(time, posterior.mean, color=colour, lw=1.8, label=LABELS[i])
        ax.plot(time, loci.path[i], color="black", lw=0.9, ls=":", label="truth" if i else "_")
        seen = loci.total[i] > 0
        row = {name: np.atleast_2d(getattr(loci, name))[i] for name in ("derived", "total")}
        point, *_ = plot.corrected_frequencies(row | {"e_da": loci.e_da[i], "e_ad": loci.e_ad[i]})
        ax.plot(loci.generation[seen], point[seen], "o", color=colour, ms=4.5, mec="white", mew=0.7)
    gap = loci.generation[loci.total[0] == 0]
    ax.plot(gap, np.full(gap.size, -0.02), "|", color=plot.GREY, ms=7, mew=1.2, label="no reads")
    ax.set(xlabel="Time (generations)", ylabel="Derived allele frequency", ylim=(-0.05, 1.12))
    ax.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(-0.02, 1), fontsize=9)
    ax.tick_params(labelsize=9)
    ax.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Fit both loci and write the figure."""
    loci = data()
    both = Samples(**loci.observed)
    fits = [fit_selection(both.select(slice(i, i + 1)), loci.sizes) for i in range(2)]
    with mpl.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
        draw_paths(left, loci, fits)
        plot.plot_profile(
            [fit.curve for fit in fits], fits, truth=list(loci.selection), labels=LABELS, ax=right
        )
        figure.savefig(TARGET, facecolor="white", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
