"""A database of tumors, and a search in it.

Simulated once, searched in milliseconds. This one is small and coarse; the default has 5,000 tumors, and the papers had
50,000.
"""

import gliofield
from gliofield.report import database_figure

atlas = gliofield.load_atlas("sri24")
grid = atlas.simulation_grid(spacing_mm=5.0)
database = gliofield.build_database("small_tumors", 60, atlas=atlas, grid=grid)
print(database)

wanted = database.cell_density(17)
whole, core = (gliofield.Volume(wanted > threshold, grid) for threshold in (0.2, 0.6))
for hit in gliofield.search(database, whole, core, k=4):
    print(f"tumor {hit.index:>3}: Dice T1Gd {hit.dice_t1gd:.2f}, FLAIR {hit.dice_flair:.2f}")

figure = database_figure(database, atlas=atlas)
figure.savefig("database.png", facecolor=figure.get_facecolor())
