"""The same contacts in wider bins."""

from __future__ import annotations

import numpy as np
import pandas as pd


def coarsen(
    bins: pd.DataFrame, pixels: pd.DataFrame, factor: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bins and pixels with `factor` neighbouring bins of a chromosome made one.

    Counts and restriction sites are added, other numbers are means over base pairs.

    Parameters
    ----------
    bins
        chrom, start, end, and numbers per bin; as in `SimulatedContacts`.
    pixels
        bin1, bin2, count, and columns that tell matrices apart.
    factor
        How many bins become one, at least 1.

    Returns
    -------
    The two tables; the last bin of a chromosome may be narrower.

    Raises
    ------
    ValueError
        `factor` is below 1.
    """
    if factor < 1:
        raise ValueError(f"factor = {factor} must be at least 1; give the number of bins to join")
    within = bins.groupby("chrom", sort=False).cumcount() // factor
    group = pd.MultiIndex.from_arrays([bins["chrom"], within])
    code = pd.factorize(group)[0]
    width = (bins["end"] - bins["start"]).to_numpy(dtype=np.float64)
    size = np.bincount(code, weights=width)
    grouped = bins.groupby(code, sort=False)
    wide = pd.DataFrame(
        {
            "chrom": grouped["chrom"].first(),
            "start": grouped["start"].min(),
            "end": grouped["end"].max(),
        }
    )
    for name in ("gc_content", "mappability"):
        if name in bins:
            wide[name] = np.bincount(code, weights=width * bins[name]) / size
    if "re_sites" in bins:
        wide["re_sites"] = grouped["re_sites"].sum()
    joined = pixels.assign(bin1=code[pixels["bin1"]], bin2=code[pixels["bin2"]])
    keys = [name for name in pixels.columns if name != "count"]
    return wide, joined.groupby(keys, sort=True, as_index=False).agg({"count": "sum"})
