import numpy as np
import pytest
from phantom_brain import phantom_atlas
from scipy import ndimage
from small_cohort import RESOLUTION, first_of, grown, shared

from gliofield.errors import NumericalError
from gliofield.grid import Grid
from gliofield.growth.seed import seed_density
from gliofield.testing import LESION_CENTER_MM, phantom_anatomy, phantom_tumor
from gliofield.volume import Volume
from gliofield_evaluation.virtual import cohort_patient, grow_cohort_patient
from gliofield_evaluation.virtual.cohort_patient import part_of_cells_in_margin
from gliofield_evaluation.virtual.design import KINDS
from gliofield_evaluation.virtual.recurrence import surviving_cells
from gliofield_evaluation.virtual.true_growth import TrueGrowth


@pytest.fixture(scope="module")
def patients():
    """The first patient of each kind."""
    return {kind: shared(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_patient_of_each_kind_is_whole(patients, kind):
    """Cells, outlines and edema lie in the brain, and cells are where the tumor is seen."""
    patient = patients[kind]
    density, brain, signs = patient.cell_density.data, patient.brain.maps.brain, patient.signs

    assert not density[~brain].any()
    assert 0.0 <= density.min() <= density.max() <= 1.0
    assert not (signs.whole_tumor & ~brain).any()
    assert density[signs.whole_tumor].mean() > 4 * density[brain & ~signs.whole_tumor].mean()
    assert 15.0 <= patient.volume_ml(signs.whole_tumor) <= 200.0
    assert patient.has_core == (kind != "no-core")


@pytest.mark.parametrize("kind", KINDS)
def test_false_edema_only_adds_to_flair(patients, kind):
    """FLAIR gets brighter and T1 darker where water is, and nowhere else; the core stays what it is."""
    patient = patients[kind]
    clean = patient.images_of("none")
    assert not patient.edema["none"].any()
    for condition in ("one-sided", "severe"):
        wet, images = patient.edema[condition], patient.images_of(condition)
        near = ndimage.binary_dilation(wet, np.ones((3, 3, 3)), iterations=5)
        added = images["flair"].data - clean["flair"].data

        assert np.array_equal(patient.signs_of(condition).whole_tumor, patient.signs.whole_tumor | wet)
        assert np.array_equal(patient.signs_of(condition).tumor_core, patient.signs.tumor_core)
        assert added.min() >= 0.0
        assert not added[~near].any()
        assert added[wet].mean() > 50.0
        assert (images["t1"].data <= clean["t1"].data).all()


def test_mass_effect_moves_the_brain_with_the_images(patients):
    """Tissue is displaced by millimeters, in the maps as in the template."""
    patient, still = patients["mass-effect"], first_of("mass-effect")
    rest = cohort_patient.make_virtual_brain(
        phantom_atlas(), rng=still.rng(patient.attempt, "brain"), resolution=RESOLUTION
    )

    assert patient.displacement_mm > 1.0
    assert np.abs(patient.brain.maps.csf - rest.maps.csf).max() > 0.1
    assert np.abs(patient.brain.t1 - rest.t1).max() > 10.0
    assert np.array_equal(patient.brain.maps.brain, rest.maps.brain)


def test_two_foci_begin_apart(patients):
    """Two seeds 28 to 45 mm apart, the second one smaller."""
    first, second = patients["two-foci"].seeds_mm

    assert 26.0 <= np.linalg.norm(np.subtract(first, second)) <= 47.0


def test_an_eccentric_core_is_a_cap_of_the_dense_part(patients):
    """Its center lies off the center of the whole tumor, and cells as dense as its own lie outside it."""
    signs, density = patients["eccentric-core"].signs, patients["eccentric-core"].cell_density.data
    core, whole = (np.argwhere(mask).mean(axis=0) * 4.0 for mask in (signs.tumor_core, signs.whole_tumor))

    assert np.linalg.norm(core - whole) > 4.0
    assert (density > 0.8)[signs.whole_tumor & ~signs.tumor_core].any()


def test_no_cells_live_in_a_cavity(patients):
    """It is seen, labeled, and empty."""
    patient = patients["cavity"]

    assert patient.volume_ml(patient.signs.cavity) >= 2.0
    assert not patient.cell_density.data[patient.signs.cavity].any()
    assert np.array_equal(patient.signs_of("severe").labels() == 4, patient.signs.cavity)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recurrence_lies_outside_what_was_resected(patients, kind):
    """As large as was asked for, enhancing inside what FLAIR shows; none without a core, and the reason is kept."""
    patient = patients[kind]
    again, signs = patient.recurrence, patient.signs
    if kind == "no-core":
        assert again.enhancing is None
        assert again.reason == "there is no core to resect"
        return
    if again.enhancing is None:
        assert "never reached" in again.reason
        return
    assert not (again.any_visible & signs.tumor_core).any()
    assert not (again.enhancing & ~again.any_visible).any()
    assert patient.volume_ml(again.enhancing) >= np.clip(patient.volume_ml(signs.tumor_core) / 2, 4, 15)
    assert again.days > 0


def test_most_patients_have_a_recurrence(patients):
    """The test above would pass without any."""
    assert sum(patient.recurrence.reason == "" for patient in patients.values()) >= 5


def test_resection_and_therapy_leave_a_part_of_the_cells():
    """None in the core, nowhere more than there were, a tenth in the middle."""
    anatomy = phantom_anatomy()
    growth = TrueGrowth(anatomy=anatomy, parameters=phantom_tumor())
    density = np.full(anatomy.grid.shape, 0.5, np.float32)
    core = seed_density(anatomy, LESION_CENTER_MM) > 0.1
    left = surviving_cells(density, growth, core, np.random.default_rng(0))

    assert core.any()
    assert not left[core].any()
    assert (left <= density).all()
    assert np.median(left[~core]) == pytest.approx(0.05, rel=0.5)


def test_a_patient_is_the_same_whenever_it_is_made(patients):
    """All of it, whatever was made before."""
    again, kind = grown("other-physics"), "other-physics"

    assert np.array_equal(again.cell_density.data, patients[kind].cell_density.data)
    for condition in ("none", "severe"):
        for modality, image in again.images_of(condition).items():
            assert np.array_equal(image.data, patients[kind].images_of(condition)[modality].data)
    assert np.array_equal(again.signs.labels(), patients[kind].signs.labels())
    assert np.array_equal(again.recurrence.enhancing, patients[kind].recurrence.enhancing)


def test_tracts_are_seen_on_test_patients():
    """The fourth condition."""
    patient = grown("plain", "test")

    assert patient.edema["tracts"].any()


def test_unusable_attempts_are_counted_and_given_up(monkeypatch):
    """The next attempt of the same seed is taken; after twenty the patient is refused."""
    atlas, patient = phantom_atlas(), first_of("plain")
    usual = shared("plain")
    size_ml = usual.volume_ml(usual.signs.whole_tumor)
    monkeypatch.setattr(cohort_patient, "_WHOLE_ML", (15.0, size_ml - 0.5))
    other = grow_cohort_patient(patient, atlas, resolution=RESOLUTION)

    assert other.attempt > usual.attempt
    assert f"has {size_ml:.1f} ml" in other.unusable[usual.attempt]
    assert other.drawn == patient.drawn(other.attempt)
    monkeypatch.setattr(cohort_patient, "_WHOLE_ML", (1e6, 2e6))
    monkeypatch.setattr(cohort_patient, "_MOST_ATTEMPTS", 2)
    with pytest.raises(NumericalError, match="tune-000 has no usable attempt among 2"):
        grow_cohort_patient(patient, atlas, resolution=RESOLUTION)


@pytest.mark.parametrize(
    ("kind", "limit", "value", "reason"),
    [
        ("plain", "_CORE_ML", (1e3, 2e3), "the core has .* ml, outside 1000 to 2000 ml"),
        ("two-foci", "_DISTANCE_TOLERANCE_MM", 0.0, "a second seed has no room"),
        ("cavity", "_LEAST_CAVITY_ML", 1e3, "the resection cavity is smaller than 1000 ml"),
        ("mass-effect", "_PUSHED_FACTOR", 1e-6, "without its push the tumor has"),
    ],
)
def test_a_refused_patient_says_why(monkeypatch, kind, limit, value, reason):
    """Each limit that an attempt can fail at, moved to where none passes."""
    monkeypatch.setattr(cohort_patient, "_MOST_ATTEMPTS", 1)
    monkeypatch.setattr(cohort_patient, "_WHOLE_ML", (15.0, 1e4))
    monkeypatch.setattr(cohort_patient, limit, value)

    with pytest.raises(NumericalError, match=reason):
        grown(kind)


def test_the_margin_counts_cells_outside_the_core():
    """Five voxels of 10 mm in a row with the core at one end: the next lies within 15 mm, the others do not."""
    grid = Grid.axis_aligned((5, 1, 1), 10.0, (0.0, 0.0, 0.0))
    density = Volume(np.array([1.0, 0.4, 0.3, 0.2, 0.1], np.float32).reshape(5, 1, 1), grid)
    core = np.zeros(grid.shape, bool)
    brain = np.ones(grid.shape, bool)
    assert part_of_cells_in_margin(density, core, brain) is None
    core[0] = True

    assert part_of_cells_in_margin(density, core, brain) == pytest.approx(0.4)
