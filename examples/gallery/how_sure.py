"""How sure is it, and where.

Many tumors explain one scan about as well. An ensemble of them shows where they agree (the standard deviation is
small) and where the map is a guess (at the front, and where false edema may be).
"""

# %% What `gliofield personalize PATIENT --uncertainty --out RESULT` has written, beside the scan.
import json
from pathlib import Path

import gliofield

case = gliofield.read_case("PATIENT")
names = ("mean", "std", "probability_flair")
maps = {name: gliofield.read_volume(f"RESULT/posterior/{name}_patient.nii.gz") for name in names}

# %% Cells outside the core, with the interval that holds them.
cells = json.loads(Path("RESULT/quality.json").read_text())["cells_outside_core_ml"]
print(f"cells outside the core: {cells['mean']:.0f} ml (95 %: {cells['low']:.0f} to {cells['high']:.0f} ml)")

# %% Mean, standard deviation, and the probability that the density lies above the threshold of FLAIR.
from gliofield.report.uncertainty_figure import uncertainty_figure

figure = uncertainty_figure(
    background=case.images["t1c"],
    segmentation=case.segmentation,
    maps=maps,
    brain=case.brain,
    title="How sure, place by place",
)
figure.savefig("how_sure.png", facecolor=figure.get_facecolor())

# %% The volume that may be above the threshold, from almost surely to just possibly.
probability = maps["probability_flair"]
for level in (0.95, 0.5, 0.05):
    print(f"P > {level:.2f}: {(probability.data > level).sum() * probability.grid.voxel_volume_ml:.0f} ml")
