"""Your first patient: from a folder to a map.

Growth is fitted in the patient's brain to both outlines of the segmentation. The verdict comes first, then the map:
above it FLAIR and T1Gd under their outlines, in the same planes.
"""

# %% A folder goes in, a result comes out. Printed, it says whether the map can be used, and why not.
import gliofield

result = gliofield.personalize("PATIENT")
print(result)

# %% The picture, and the folder with the report and all files.
from gliofield.report import result_figure

figure = result_figure(result, name="virtual patient")
figure.savefig("first_patient.png", facecolor=figure.get_facecolor())
result.save("FIRST", force=True)

# %% The density is an array on the grid of the scan. How much of the brain holds more than 2 % of what it can?
density = result.density_patient
print(f"above 2 %: {(density.data > 0.02).sum() * density.grid.voxel_volume_ml:.0f} ml")
