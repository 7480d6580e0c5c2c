"""The learned growth model keeps the laws of all; and what it refuses besides."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy
from mass_effect_phantoms import phantom_anatomy
from small_surrogates import phantom, tiny_samples, tiny_surrogate

from gliofield.anatomy import growth_domain
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, VolumeLimit
from gliofield.testing import check_growth_model
from gliofield_papers.surrogate import LearnedFisherKolmogorov, train_surrogate

torch = pytest.importorskip("torch")

ANATOMY = phantom()
PARAMETERS = FisherKolmogorovParameters(
    white_matter_diffusivity_mm2_per_day=0.06, proliferation_rate_per_day=0.02, seed_mm=(-12.0, 8.0, 3.0)
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A surrogate that has learned a little."""
    folder = tmp_path_factory.mktemp("model")
    samples = tiny_samples(folder), tiny_samples(folder, part="validation")
    train_surrogate(*samples, tiny_surrogate(num_epochs=5), folder / "net.safetensors")
    return LearnedFisherKolmogorov(checkpoint=str(folder / "net.safetensors"), device="cpu")


def test_it_keeps_the_laws_of_growth_models(model):
    """Anything that takes a solver takes it."""
    check_growth_model(model, PARAMETERS, anatomy=ANATOMY, times_days=(100.0, 900.0), may_shrink=True)
    assert model.name == "learned-fisher-kolmogorov"


def test_the_volume_limit_changes_nothing(model):
    """A network saves nothing by giving a tumor up."""
    limit = VolumeLimit(threshold=0.2, max_volume_ml=0.1)
    first = model.simulate(ANATOMY, PARAMETERS, [400.0])
    second = model.simulate(ANATOMY, PARAMETERS, [400.0], volume_limit=limit)

    np.testing.assert_array_equal(first.cell_density, second.cell_density)
    assert second.stopped_at_days is None


def test_many_times_are_those_of_each(model):
    """More than are computed at once; the anatomy is encoded once for all."""
    times = [50.0 * number for number in range(1, 13)]
    together = model.simulate(ANATOMY, PARAMETERS, times).cell_density
    for index in (0, 8, 11):
        alone = model.simulate(ANATOMY, PARAMETERS, [times[index]]).cell_density[0]
        np.testing.assert_allclose(together[index], alone, atol=1e-5)


def test_a_faster_tumor_of_the_same_shape_is_the_same(model):
    """D_w and ρ doubled, T halved: the same inside the ranges, and from outside them."""
    doubled = dataclasses.replace(PARAMETERS, white_matter_diffusivity_mm2_per_day=0.6, proliferation_rate_per_day=0.2)
    outside = model.simulate(ANATOMY, doubled, [40.0]).cell_density
    # The nearest equivalent inside: D_w at the end of its range.
    edge = dataclasses.replace(
        PARAMETERS, white_matter_diffusivity_mm2_per_day=0.08, proliferation_rate_per_day=0.08 / 3.0
    )
    np.testing.assert_allclose(outside, model.simulate(ANATOMY, edge, [300.0]).cell_density, atol=1e-5)


def test_it_can_be_sent_to_another_process(model):
    """Workers get it by pickling."""
    sent = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        sent.simulate(ANATOMY, PARAMETERS, [400.0]).cell_density,
        model.simulate(ANATOMY, PARAMETERS, [400.0]).cell_density,
    )


def test_no_density_leaves_the_cube_around_the_seed(model):
    """The cube reaches from 4 voxels before to 3 voxels after the seed's."""
    solution = model.simulate(ANATOMY, PARAMETERS, [900.0])
    seed = np.rint(ANATOMY.grid.voxel_of(PARAMETERS.seed_mm)).astype(int)
    occupied = np.argwhere(solution.cell_density[0] > 0)

    assert (occupied >= seed - 4).all()
    assert (occupied <= seed + 3).all()


@pytest.mark.parametrize("times_days", [[20.0, 10.0], [0.0], []])
def test_times_out_of_order_are_refused(model, times_days):
    """Times are strictly increasing and > 0."""
    with pytest.raises(ParameterError, match="strictly increasing"):
        model.simulate(ANATOMY, PARAMETERS, times_days)


@pytest.mark.parametrize(("seed_mm", "message"), [((900.0, 0.0, 0.0), "off the grid"), ((28.0, 32.0, 29.0), "outside")])
def test_seeds_outside_the_tissue_are_refused(model, seed_mm, message):
    """As by the solver."""
    with pytest.raises(ParameterError, match=message):
        model.simulate(ANATOMY, dataclasses.replace(PARAMETERS, seed_mm=seed_mm), [100.0])


def test_seeds_in_csf_beside_the_tissue_are_refused(model):
    """The solver grows the part of such a seed that reaches into tissue; the training had none."""
    is_beside = ANATOMY.csf[1:] & ANATOMY.domain[:-1]
    voxel = np.argwhere(is_beside)[0] + (0.6, 0.0, 0.0)
    seed_mm = tuple(float(x_mm) for x_mm in ANATOMY.grid.world_of(voxel))
    parameters = dataclasses.replace(PARAMETERS, seed_mm=seed_mm)

    assert FisherKolmogorov().simulate(ANATOMY, parameters, [100.0]).cell_density.any()
    with pytest.raises(ParameterError, match="nearest voxel is tissue"):
        model.simulate(ANATOMY, parameters, [100.0])


def test_domains_of_another_rule_are_refused(model):
    """Its CSF would mean something else; checkpoints that do not know their rule take all."""
    other = growth_domain(ANATOMY.tissue_maps, rule="csf-minority")
    with pytest.raises(ParameterError, match="rule 'csf-minority': expected 'csf-below-0.9'"):
        model.simulate(other, PARAMETERS, [100.0])

    of_before = copy.copy(model)
    object.__setattr__(of_before, "header", dataclasses.replace(model.header, domain_rule=None))
    assert of_before.simulate(other, PARAMETERS, [100.0]).cell_density.shape == (1, *other.grid.shape)


def test_what_it_was_not_trained_on_is_refused(model):
    """Other spacings, anatomies without CSF, tumors out of range."""
    with pytest.raises(ParameterError, match=r"spacing of 4 mm: expected 5 mm"):
        model.simulate(phantom_anatomy((12, 14, 13), 4.0), PARAMETERS, [100.0])
    bare = dataclasses.replace(ANATOMY, tissue_maps=None)
    with pytest.raises(ParameterError, match="no tissue_maps"):
        model.simulate(bare, PARAMETERS, [100.0])
    other = mixed_anatomy((12, 14, 13), 5.0)
    seed = tuple(other.grid.world_of((8, 4, 7)))
    with pytest.raises(ParameterError, match="no tissue_maps"):
        model.simulate(other, dataclasses.replace(PARAMETERS, seed_mm=seed), [100.0])
    with pytest.raises(ParameterError, match="not trained on this tumor"):
        model.simulate(ANATOMY, dataclasses.replace(PARAMETERS, proliferation_rate_per_day=0.5), [1000.0])
