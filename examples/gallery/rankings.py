"""Four rankings, one volume.

A plan takes the first voxels of a ranking. Here each takes as many milliliters as the core with 15 mm; what they share
is settled, where they differ is the question. The priority is the one to plan by.
"""

import matplotlib.pyplot as plt
import numpy as np

import gliofield
from gliofield.assimilation import distance_mm
from gliofield.metrics import highest_voxels

case = gliofield.read_case("PATIENT")
core, spacing_mm = case.segmentation.tumor_core, case.grid.spacing_mm
from_core_mm = distance_mm(core, spacing_mm)
count = int(np.count_nonzero(case.brain & (from_core_mm <= 15.0)))
rankings = {
    "core with 15 mm": -from_core_mm,
    "margin around the whole tumor": -distance_mm(case.segmentation.whole_tumor, spacing_mm),
    "density": gliofield.read_volume("RESULT/density_patient.nii.gz").data,
    "priority": gliofield.read_volume("RESULT/target_priority_patient.nii.gz").data,
}
regions = {
    name: highest_voxels(values, count, within=case.brain, distance_mm=from_core_mm)
    for name, values in rankings.items()
}
print(f"each has {count * case.grid.voxel_volume_ml:.0f} ml")
print(f"all four share {np.logical_and.reduce(list(regions.values())).sum() / count:.0%}")

right, _, up = (int(axis.mean()) for axis in np.nonzero(core))
figure, panels = plt.subplots(1, 2, figsize=(10, 5.2), layout="constrained")
for panel, cut in zip(panels, (np.s_[:, :, up], np.s_[right, :, :]), strict=True):
    panel.imshow(case.images["flair"].data[cut].T, cmap="gray", origin="lower")
    for (name, region), color in zip(regions.items(), ("#e69f00", "#56b4e9", "#cc79a7", "#f0e442"), strict=True):
        panel.contour(region[cut].T, levels=[0.5], colors=color, linewidths=1.4)
        panel.plot([], [], color=color, label=name)
    panel.set(xticks=[], yticks=[])
panels[0].invert_xaxis()  # the patient's right on the left
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
figure.savefig("rankings.png", dpi=100)
