import numpy as np
import pytest

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, DOMAIN_RULES, Anatomy, TissueMaps, growth_domain
from gliofield.errors import ImageError, ParameterError
from gliofield.grid import Grid

# One voxel per case; the columns are white matter, gray matter, CSF and whether it is brain.
CASES = {
    "pure white": (1.0, 0.0, 0.0, 1),
    "mixed": (0.3, 0.3, 0.4, 1),
    "tissue and csf even": (0.25, 0.25, 0.5, 1),
    "mostly csf": (0.1, 0.05, 0.85, 1),
    "csf at the limit": (0.0, 0.1, 0.9, 1),
    "pure csf": (0.0, 0.0, 1.0, 1),
    "thin tissue, no csf": (0.05, 0.05, 0.0, 1),
    "outside": (0.0, 0.0, 0.0, 0),
}
GRID = Grid.axis_aligned((len(CASES), 1, 1), 2.0, (0, 0, 0))
INSIDE = {
    "tissue-majority": {"pure white", "mixed"},
    "csf-minority": {"pure white", "mixed", "tissue and csf even", "thin tissue, no csf"},
    "csf-below-0.9": {"pure white", "mixed", "tissue and csf even", "mostly csf", "thin tissue, no csf"},
    "brain": set(CASES) - {"outside"},
}


def column(values, dtype=np.float32) -> np.ndarray:
    return np.array(values, dtype=dtype).reshape(-1, 1, 1)


def phantom() -> TissueMaps:
    white, gray, csf, brain = zip(*CASES.values(), strict=True)
    return TissueMaps(
        white_matter=column(white), gray_matter=column(gray), csf=column(csf), brain=column(brain, bool), grid=GRID
    )


def anatomy(**changes) -> Anatomy:
    fields = {
        "white_matter": column([0.25, 0.0]),
        "gray_matter": column([0.75, 0.0]),
        "domain": column([1, 0], bool),
        "grid": Grid.axis_aligned((2, 1, 1), 2.0, (0, 0, 0)),
        "domain_rule": "brain",
    }
    return Anatomy(**(fields | changes))


def test_every_rule_has_its_case_here():
    """A new rule needs a line in the table above."""
    assert set(INSIDE) == set(DOMAIN_RULES)
    assert DEFAULT_DOMAIN_RULE in DOMAIN_RULES


@pytest.mark.parametrize("rule", INSIDE)
def test_a_rule_admits_exactly_its_voxels(rule):
    """Each rule of the module's table, voxel by voxel, limits included."""
    result = growth_domain(phantom(), rule=rule)

    admitted = {name for name, is_inside in zip(CASES, result.domain.ravel(), strict=True) if is_inside}
    assert admitted == INSIDE[rule]
    assert result.domain_rule == rule


@pytest.mark.parametrize("rule", INSIDE)
def test_fractions_sum_to_one_inside_and_to_nothing_outside(rule):
    """White and gray matter are renormalized, whatever the CSF was."""
    result = growth_domain(phantom(), rule=rule)

    assert np.array_equal(result.white_matter + result.gray_matter, result.domain.astype(np.float32))
    assert result.white_matter.dtype == result.gray_matter.dtype == np.float32


def test_fractions_stay_soft_and_keep_their_ratio():
    """Two parts of white to one of gray stay two to one, although most of the voxel is CSF."""
    result = growth_domain(phantom(), rule="csf-below-0.9")
    index = list(CASES).index("mostly csf")

    assert result.white_matter[index, 0, 0] == pytest.approx(2 / 3, abs=1e-6)


def test_a_domain_voxel_without_tissue_counts_as_gray_matter():
    """The slower of the two tissues, so CSF in the domain never speeds a tumor up."""
    result = growth_domain(phantom(), rule="brain")
    index = list(CASES).index("pure csf")

    assert result.gray_matter[index, 0, 0] == 1.0
    assert result.white_matter[index, 0, 0] == 0.0


def test_rules_from_strict_to_generous_include_each_other(shared_data):
    """On SRI24: majority within CSF below 0.9 within brain, and the volumes grow."""
    from gliofield.anatomy import normalized_tissue_maps
    from gliofield.nifti import read_volume

    folder = shared_data / "atlas" / "sri24"
    white, gray, csf = (read_volume(folder / f"p_{name}.nii.gz") for name in ("wm", "gm", "csf"))
    brain = read_volume(folder / "t1_brain.nii.gz").data > 0
    grid = Grid.axis_aligned((128, 128, 128), 1.875, (-238.5625, 0.4375, -42.0625))
    maps = normalized_tissue_maps(white, gray, csf, brain).resampled(grid)

    strict, generous, widest = (growth_domain(maps, rule=r) for r in ("tissue-majority", "csf-below-0.9", "brain"))

    assert not np.any(strict.domain & ~generous.domain)
    assert not np.any(generous.domain & ~widest.domain)
    assert 1000 < strict.volume_ml < generous.volume_ml < widest.volume_ml < 1600


def test_an_unknown_rule_names_the_closest():
    """A misspelt rule is answered with the right one."""
    with pytest.raises(ParameterError, match="Did you mean 'tissue-majority'"):
        growth_domain(phantom(), rule="tissue_majority")


def test_a_domain_without_voxels_is_refused():
    """Maps of pure CSF have no room for cells under the strict rule."""
    maps = TissueMaps(
        white_matter=column([0.0, 0.0]),
        gray_matter=column([0.0, 0.0]),
        csf=column([1.0, 1.0]),
        brain=column([1, 1], bool),
        grid=Grid.axis_aligned((2, 1, 1), 1.0, (0, 0, 0)),
    )
    with pytest.raises(ImageError, match="domain is empty under the rule 'tissue-majority'"):
        growth_domain(maps, rule="tissue-majority")


def test_an_anisotropic_grid_is_refused():
    """The solvers have one spacing."""
    with pytest.raises(ParameterError, match="the grid must be isotropic"):
        anatomy(grid=Grid.axis_aligned((2, 1, 1), (1.0, 2.0, 1.0), (0, 0, 0)))


def test_fractions_that_do_not_fill_the_domain_are_refused():
    """Inside they sum to 1, outside to 0: half of either is an error."""
    with pytest.raises(ImageError, match=r"must be 1 inside the domain and 0 outside, got a deviation of 0\.25"):
        anatomy(gray_matter=column([0.5, 0.0]))
    with pytest.raises(ImageError, match="got a deviation of 0.1"):
        anatomy(white_matter=column([0.25, 0.1]))


@pytest.mark.parametrize("name", ["white_matter", "gray_matter", "domain"])
def test_arrays_must_have_the_grids_shape(name):
    """The message names the array."""
    with pytest.raises(ImageError, match=f"Anatomy: {name} must have the grid's shape"):
        anatomy(**{name: column([1.0])})


def test_the_volume_counts_domain_voxels():
    """One voxel of 2 mm is 0.008 ml."""
    assert anatomy().volume_ml == pytest.approx(0.008)
    assert anatomy().spacing_mm == 2.0


def test_a_negative_zero_in_the_affine_changes_no_hash():
    """Flipping axes leaves -0 in affines; the grid is the same."""
    affine = anatomy().grid.world_from_voxel.copy()
    affine[0, 1] = -0.0

    assert anatomy(grid=Grid((2, 1, 1), affine)).content_hash == anatomy().content_hash


def test_equal_anatomies_have_equal_hashes_and_only_they():
    """The hash changes with the fractions, the rule and the grid, and with nothing else."""
    moved = Grid.axis_aligned((2, 1, 1), 2.0, (1, 0, 0))
    other_fractions = {"white_matter": column([0.5, 0.0]), "gray_matter": column([0.5, 0.0])}

    hashes = [
        value.content_hash
        for value in (anatomy(), anatomy(domain_rule="csf-minority"), anatomy(grid=moved), anatomy(**other_fractions))
    ]

    assert anatomy().content_hash == hashes[0]
    assert len(set(hashes)) == 4
