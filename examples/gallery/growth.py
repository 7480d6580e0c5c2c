"""A tumor grows.

Fisher and Kolmogorov's equation in the tissue of an atlas: cells diffuse ten times faster in white matter than in gray,
and multiply. The front is visible long after the cells have passed.
"""

import gliofield
from gliofield.report import growth_sheet

atlas, seed_mm = gliofield.load_atlas("sri24"), (-95.0, 130.0, 85.0)
tumor = gliofield.FisherKolmogorovParameters(
    white_matter_diffusivity_mm2_per_day=0.25, proliferation_rate_per_day=0.025, seed_mm=seed_mm
)
solution = gliofield.simulate(tumor, [150, 250, 350], brain=atlas)
for days, seen, all_of_it in zip(solution.times_days, solution.volume_ml(0.2), solution.volume_ml(0.01), strict=True):
    print(f"after {days:.0f} days: {seen:5.1f} ml above 20 %, {all_of_it:5.1f} ml above 1 %")

figure = growth_sheet(
    solution,
    seed_mm=seed_mm,
    background=atlas.t1,
    brain=gliofield.Volume(atlas.tissue_maps.brain, atlas.grid),
    thresholds=gliofield.VisibilityThresholds(),
    title="D_w = 0.25 mm²/day, ρ = 0.025 /day",
)
figure.savefig("growth.png", facecolor=figure.get_facecolor())
