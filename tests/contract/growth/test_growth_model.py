"""Every growth model of ours keeps the laws that `gliofield.testing` states for any."""

import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters
from mass_effect_phantoms import phantom_anatomy, pushing_tumor

from gliofield.growth import FisherKolmogorov, MassEffect
from gliofield.testing import check_growth_model

ANATOMY = mixed_anatomy((12, 14, 13), 4.0)
BRAIN = phantom_anatomy((12, 14, 13), 10.0)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("scheme", ["strang-rkl2", "published"])
def test_reaction_and_diffusion_keep_the_laws(scheme, backend):
    """Both schemes, fast and plain."""
    model = FisherKolmogorov(scheme=scheme, backend=backend)

    check_growth_model(model, tumor_parameters(ANATOMY), anatomy=ANATOMY, times_days=(20.0, 60.0))


def test_mass_effect_keeps_the_laws():
    """Its domain moves along with the tissue, within the skull."""
    check_growth_model(
        MassEffect(num_coupling_steps=3),
        pushing_tumor(seed_mm=(-25.0, 15.0, 0.0)),
        anatomy=BRAIN,
        times_days=(20.0, 60.0),
        reachable=BRAIN.tissue_maps.brain,
    )
