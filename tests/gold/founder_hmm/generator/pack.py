"""Packs what the tests need of the CSV files of C_qtl2_gold.R: pack.py FOLDER_OF_OUT_FOLDERS."""

import csv
import sys
from pathlib import Path

import numpy as np

FROM, TO = Path(sys.argv[1]), Path(__file__).parents[1]


def table(path):
    with path.open() as handle:
        rows = list(csv.reader(handle))[1:]
    return np.array([[float(x) for x in row[1:]] for row in rows])


def probabilities(path, n):
    with path.open() as handle:
        rows = list(csv.reader(handle))[1:]
    values = np.array([[float(x) for x in row[3:]] for row in rows])
    return values.reshape(len(rows) // n, n, -1).transpose(1, 0, 2)


def rows(path):
    with path.open() as handle:
        return np.array([[float(x) for x in row] for row in list(csv.reader(handle))[1:]])


for name, n, lines in (("in20x50", 20, slice(None)), ("in60x40_missF", 60, slice(None, None, 3))):
    folder, out = FROM / f"out_{name}", {}
    for which in ("e0.0001", "e0.005", "e0.05", "e0.005_cf", "step2_e0.005"):
        out[f"genoprob_{which}"] = probabilities(folder / f"genoprob_{which}.csv", n)[lines]
    out["pseudomap_step2"] = table(folder / "pseudomap_step2.csv")[:, 0]
    out["errorlod"] = table(folder / "errorlod.csv")
    out["viterbi"] = table(folder / "viterbi_e0.005.csv").astype(np.int8)
    if name == "in20x50":
        out["step_riself8_line1"] = rows(folder / "step_riself8_line1.csv")
        out["emit_riself8_e0.01"] = rows(folder / "emit_riself8_e0.01.csv")
    else:
        out = {k: v for k, v in out.items() if not k.endswith(("_cf", "step2_e0.005", "e0.05"))}
    np.savez_compressed(TO / f"out_{name}.npz", **out)

folder = FROM / "out_in120x90"
out = {"genoprob_e0.005": probabilities(folder / "genoprob_e0.005.csv", 120)[::6]}
for name in ("loco_1", "loco_2", "loco_3", "overall"):
    full = table(folder / f"kinship_{name}.csv")
    assert np.array_equal(full, full.T)
    out[f"kinship_{name}"] = full[np.tril_indices(120)]
for name in ("loco_batch_reml0", "loco_batch_reml1", "hk_batch", "overallK_batch"):
    out[f"scan1_{name}"] = table(folder / f"scan1_{name}.csv")
for name in ("reml0", "reml1"):
    out[f"hsq_{name}"] = table(folder / f"hsq_loco_batch_{name}.csv")
for name in ("coef_lmm", "blup_lmm", "blupSE_lmm", "blup_hk", "blupSE_hk"):
    out[name] = np.concatenate([table(folder / f"{name}_chr{c}.csv") for c in (1, 2, 3)])
out["intervals"] = rows(folder / "lodint_1.5_bayes95.csv")
out["scan1perm50"] = np.loadtxt(folder / "scan1perm50.csv", skiprows=1)
np.savez_compressed(TO / "out_in120x90.npz", **out)
