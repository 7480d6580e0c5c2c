"""A tumor pushes.

With mass effect the tumor displaces the tissue it grows in. Arrows are three times as long as the displacement.
"""

import gliofield
from gliofield.report import growth_sheet

atlas, seed_mm = gliofield.load_atlas("sri24"), (-95.0, 130.0, 85.0)
tumor = gliofield.MassEffectParameters(
    white_matter_diffusivity_mm2_per_day=0.12, proliferation_rate_per_day=0.04, seed_mm=seed_mm, push_pa=14_000.0
)
brain = atlas.anatomy(atlas.simulation_grid(spacing_mm=3.0))
solution = gliofield.simulate(tumor, [200, 280], brain=brain)
for index, days in enumerate(solution.times_days):
    moved_mm = solution.largest_displacement_mm(index)
    print(f"after {days:.0f} days: {solution.volume_ml(0.2)[index]:.1f} ml above 20 %, moved by {moved_mm:.1f} mm")

figure = growth_sheet(
    solution,
    seed_mm=seed_mm,
    background=atlas.t1,
    brain=gliofield.Volume(atlas.tissue_maps.brain, atlas.grid),
    thresholds=gliofield.VisibilityThresholds(),
    title="with a push of 14 kPa",
)
figure.savefig("mass_effect.png", facecolor=figure.get_facecolor())
