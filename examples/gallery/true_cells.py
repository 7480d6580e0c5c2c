"""How much each ranking holds of the truth.

A virtual patient's every cell is known. Voxels are taken in the order of a ranking; the curve is the share of the true
cells outside the core among them. One patient shows how it is done, and nothing about which is better.
"""

import matplotlib.pyplot as plt
import numpy as np

import gliofield
from gliofield.assimilation import distance_mm
from gliofield.metrics import CoverageCurve

case, truth = gliofield.read_case("PATIENT"), gliofield.read_volume("PATIENT/truth_density.nii.gz")
core = case.segmentation.tumor_core
outside = case.brain & ~core
orders = {
    "margin around the core": -distance_mm(core, case.grid.spacing_mm),
    "margin around the whole tumor": -distance_mm(case.segmentation.whole_tumor, case.grid.spacing_mm),
    "density": gliofield.read_volume("RESULT/density_patient.nii.gz").data,
    "priority": gliofield.read_volume("RESULT/target_priority_patient.nii.gz").data,
    "the truth itself": truth.data,
}

figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
for name, order in orders.items():
    first_to_last = np.argsort(-order[outside], kind="stable")
    curve = CoverageCurve.of(truth.data[outside][first_to_last])
    volumes_ml = np.arange(1, len(curve.held) + 1) * case.grid.voxel_volume_ml
    axes.plot(volumes_ml, curve.held, label=name, color="0.4" if "truth" in name else None)
    print(f"{name:<30} 95 % of the cells in {curve.count_for(0.95) * case.grid.voxel_volume_ml:4.0f} ml")
axes.set(xlim=(0, 250), ylim=(0, 1), xlabel="volume beyond the core [ml]", ylabel="true cells held")
axes.legend(loc="lower right")
axes.grid(alpha=0.3)
figure.savefig("true_cells.png", dpi=110)
