import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_tissue_maps, radius_in

from gliofield.errors import GridMismatchError
from gliofield.grid import Grid
from gliofield.growth import MassEffectSolution, Solution
from gliofield.imaging import VisibilityThresholds
from gliofield.report import growth_sheet
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume
from gliofield_papers.figures.mass_effect_figure import mass_effect_figure


def _solutions(push_mm=5.0, grid=GRID):
    """A ball without push, and with a displacement of `push_mm` to the patient's left (x down)."""
    maps = phantom_tissue_maps()
    density = np.clip(1.2 - radius_in(GRID, LESION_CENTER_MM, 25.0), 0, 1).astype(np.float32)[np.newaxis]
    run = {
        "cell_density": density,
        "times_days": (100.0,),
        "num_steps": 1,
        "num_voxel_steps": 1,
        "scheme": "strang-rkl2",
        "backend": "numba",
        "front_resolution": 2.0,
    }
    displacement = np.zeros((1, *GRID.shape, 3), np.float32)
    displacement[..., 0] = -push_mm * maps.brain
    moved = MassEffectSolution(
        **run,
        grid=GRID,
        white_matter=maps.white_matter[np.newaxis],
        gray_matter=maps.gray_matter[np.newaxis],
        csf=maps.csf[np.newaxis],
        compression=maps.brain.astype(np.float32)[np.newaxis],
        displacement_mm=displacement,
        min_jacobian_determinant=(1.0,),
        brain=maps.brain,
        num_coupling_steps=1,
        num_solver_iterations=1,
    )
    return Solution(**run, grid=grid), moved, maps


def test_the_figure_shows_both_models_in_three_planes():
    """Two rows of three panels; the names, volumes and the largest displacement are written beside them."""
    without_push, with_push, maps = _solutions()

    figure = mass_effect_figure(
        without_push, with_push, at_rest=maps, center_mm=LESION_CENTER_MM, thresholds=VisibilityThresholds(), title="T"
    )

    assert len(figure.axes) == 6
    words = " ".join(text.get_text() for text in figure.texts)
    assert "mass effect" in words
    assert "moved 5.0 mm" in words


def test_solutions_on_different_grids_are_refused():
    """A comparison voxel by voxel needs one grid."""
    elsewhere = Grid(GRID.shape, np.diag([1.0, 1.0, 1.0, 1.0]) @ GRID.world_from_voxel + np.eye(4, k=3))
    without_push, with_push, maps = _solutions(grid=elsewhere)

    with pytest.raises(GridMismatchError, match="without_push"):
        mass_effect_figure(
            without_push, with_push, at_rest=maps, center_mm=LESION_CENTER_MM, thresholds=VisibilityThresholds()
        )


def test_arrows_point_to_where_the_tissue_went():
    """A displacement to the patient's left (x down) points to the right of an axial page, up (z up) to its top."""
    from matplotlib.figure import Figure

    _, with_push, maps = _solutions()
    displacement = with_push.displacement_mm[0].copy()
    displacement[..., 2] = 2.0 * maps.brain
    window = crop_window(maps.brain)
    axial, coronal = (Figure().subplots() for _ in range(2))

    for axes, plane in ((axial, PLANES[0]), (coronal, PLANES[1])):
        index = GRID.shape[plane.cut_axis] // 2
        PlaneCut(plane, index, window, Volume(maps.white_matter, GRID)).draw_arrows(axes, displacement)

    arrows = axial.collections[0]
    assert np.all(arrows.U > 4.9)
    assert np.allclose(arrows.V, 0)
    assert np.allclose(coronal.collections[0].V, 2.0)


def test_a_growth_sheet_with_mass_effect_moves_the_picture_along():
    """The background of a moved solution is the image pulled along; without displacement it is the image."""
    _, moved, maps = _solutions(push_mm=8.0)
    _, still, _ = _solutions(push_mm=0.0)
    image, brain = Volume(maps.white_matter, GRID), Volume(maps.brain, GRID)
    options = {"seed_mm": LESION_CENTER_MM, "background": image, "brain": brain, "thresholds": VisibilityThresholds()}

    pictures = [np.asarray(growth_sheet(s, **options).axes[0].images[0].get_array()) for s in (moved, still)]

    assert np.abs(pictures[0] - pictures[1]).max() > 0.2
    np.testing.assert_allclose(still.moved(maps.white_matter, 0), maps.white_matter, atol=1e-6)
