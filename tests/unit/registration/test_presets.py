"""Presets: the names, the published values, and what is refused."""

import dataclasses

import pytest

from gliofield.errors import ParameterError
from gliofield.registration import (
    DEFAULT_PRESET,
    REGISTRATION_PRESETS,
    AffineSettings,
    Levels,
    SynSettings,
    registration_preset,
)

LEVELS = Levels(iterations=(10,), shrink_factors=(1,), smoothing_voxels=(0.0,))


def test_there_are_four_presets_and_the_default_is_one_of_them():
    """Names that command line and documents rely on."""
    assert set(REGISTRATION_PRESETS) == {"fast", "papers", "affine", "none"}
    assert DEFAULT_PRESET in REGISTRATION_PRESETS
    assert all(name == preset.name for name, preset in REGISTRATION_PRESETS.items())


def test_the_papers_preset_is_the_published_command():
    """`-m CC[fixed, moving, 1, 4] -i 50x20x0 -t SyN[0.25] -r Gauss[3,0]`, 1 mm, lesion as segmented, nearest masks."""
    papers = REGISTRATION_PRESETS["papers"]

    assert (papers.deformable.metric, papers.deformable.metric_parameter) == ("cross-correlation", 4)
    assert papers.deformable.levels.iterations == (50, 20, 0)
    assert papers.deformable.gradient_step == 0.25
    assert (papers.deformable.update_variance_voxels2, papers.deformable.total_variance_voxels2) == (3.0, 0.0)
    assert (papers.spacing_mm, papers.lesion_margin_mm, papers.mask_interpolation) == (1.0, 0.0, "nearest")


def test_affine_is_fast_without_its_deformable_stage():
    """Comparing the two presets shows what the deformation does, and nothing else."""
    fast, affine = REGISTRATION_PRESETS["fast"], REGISTRATION_PRESETS["affine"]

    assert dataclasses.replace(fast, name="affine", deformable=None) == affine


def test_a_name_or_a_preset_is_taken_and_a_typo_is_answered():
    """An own preset passes through; an unknown name gets the closest one."""
    own = dataclasses.replace(REGISTRATION_PRESETS["fast"], name="own")

    assert registration_preset(own) is own
    with pytest.raises(ParameterError, match="Did you mean 'papers'"):
        registration_preset("paper")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Levels(iterations=(1, 2), shrink_factors=(1,), smoothing_voxels=(0.0,)), "one entry per level"),
        (lambda: Levels(iterations=(), shrink_factors=(), smoothing_voxels=()), "one entry per level"),
        (lambda: Levels(iterations=(-1,), shrink_factors=(1,), smoothing_voxels=(0.0,)), "iterations ≥ 0"),
        (lambda: AffineSettings(levels=LEVELS, num_bins=3), "num_bins must be ≥ 4"),
        (lambda: AffineSettings(levels=LEVELS, sampling_fraction=0.0), r"sampling_fraction must be in \(0, 1\]"),
        (lambda: AffineSettings(levels=LEVELS, gradient_step=0.0), "gradient_step must be > 0"),
        (lambda: SynSettings(metric="cc", metric_parameter=2, levels=LEVELS), "metric 'cc' is unknown"),
        (
            lambda: SynSettings(metric="cross-correlation", metric_parameter=0, levels=LEVELS),
            "metric_parameter must be ≥ 1",
        ),
        (
            lambda: SynSettings(metric="cross-correlation", metric_parameter=2, levels=LEVELS, gradient_step=-1.0),
            "gradient_step must be > 0",
        ),
        (
            lambda: SynSettings(
                metric="cross-correlation", metric_parameter=2, levels=LEVELS, total_variance_voxels2=-1.0
            ),
            "total_variance_voxels2 must be ≥ 0",
        ),
        (lambda: _changed(spacing_mm=0.0), "spacing_mm must be > 0"),
        (lambda: _changed(lesion_margin_mm=-1.0), "lesion_margin_mm must be ≥ 0"),
        (lambda: _changed(clip_percentile=40.0), r"clip_percentile must be in \(50, 100\]"),
        (lambda: _changed(mask_interpolation="cubic"), "mask interpolation 'cubic' is unknown"),
        (lambda: _changed(affine=None), "needs an affine stage before it"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    """Every setting names itself, what it allows and what it got."""
    with pytest.raises(ParameterError, match=message):
        make()


def _changed(**changes):
    return dataclasses.replace(REGISTRATION_PRESETS["fast"], **changes)
