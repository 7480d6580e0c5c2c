"""From map to target.

Beside the guideline's target stands one of the same volume by the model: the same milliliters, elsewhere. Walls of the
brain (falx, tentorium) stop both.
"""

# %% A saved result has all that targets need.
from gliofield.radiotherapy import TargetSettings, guideline_named, plan_targets, read_planning_case

planning = read_planning_case("RESULT")
plan = plan_targets(planning, TargetSettings(guideline=guideline_named("estro-eano-2023")))
print(plan)

# %% Targets over the brain, and the expected density with the barriers.
from gliofield.report.targets_figure import targets_figure

figure = targets_figure(plan, planning, title="virtual patient")
figure.savefig("targets.png", facecolor=figure.get_facecolor())

# %% What one of the targets has, and the other has not.
model, guideline = plan.named("CTV_model_vol").mask, plan.named("CTV_ESTRO_15").mask
print(f"in the model's alone: {(model.data & ~guideline.data).sum() * model.grid.voxel_volume_ml:.1f} ml")
