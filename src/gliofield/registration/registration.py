"""Registration of a patient to an atlas: one function, presets, and exchangeable back ends.

`register` checks and prepares the images (`image_pair`), hands them to a back end (`backend`), and refuses a
result no brain could have. The patient is the fixed image and the atlas the moving one, as in the papers. How good
the alignment is, above all what it does to the tumor, is told by `quality.registration_quality`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gliofield.cores import require_threads
from gliofield.errors import ParameterError, RegistrationError, unknown_name
from gliofield.progress import Reporter, ignore_progress
from gliofield.registration.ants_backend import AntsBackend
from gliofield.registration.backend import Alignment, RegistrationBackend
from gliofield.registration.image_pair import ImagePair, prepare_image_pair
from gliofield.registration.presets import DEFAULT_PRESET, RegistrationPreset, registration_preset
from gliofield.registration.transform import Transform
from gliofield.volume import Volume

REGISTRATION_BACKENDS: dict[str, RegistrationBackend] = {"ants": AntsBackend()}
DEFAULT_BACKEND = "ants"

# Adult brains differ by less than a factor of 1.6 in volume; beyond 2 the images cannot show one brain each.
_VOLUME_RATIO_LIMIT = 2.0
# Nor does an axis differ by more than this, even where the volumes agree.
_STRETCH_LIMIT = 1.7


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistrationResult:
    """A transform and how it came about.

    Parameters
    ----------
    transform : Transform
        Map between patient and atlas.
    preset : RegistrationPreset
        Settings used.
    backend : str
        Name of the back end; ``"none"`` where nothing had to be estimated.
    seed : int
        Seed used.
    deterministic : bool
        Whether the same inputs and seed give the same bits again.
    num_threads : int
        Threads used.
    seconds : mapping of str to float
        Wall time per stage and in ``"total"`` [s].
    versions : mapping of str to str
        Versions of the software that ran.
    """

    transform: Transform
    preset: RegistrationPreset
    backend: str
    seed: int
    deterministic: bool
    num_threads: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything beside the images that determined the transform, ready for JSON."""
        return {
            "backend": self.backend,
            "preset": asdict(self.preset),
            "seed": self.seed,
            "deterministic": self.deterministic,
            "num_threads": self.num_threads,
        }


def register(
    *,
    patient_image: Volume,
    atlas_image: Volume,
    patient_brain: Volume,
    lesion: Volume | None = None,
    atlas_brain: Volume | None = None,
    preset: str | RegistrationPreset = DEFAULT_PRESET,
    backend: str | RegistrationBackend = DEFAULT_BACKEND,
    seed: int = 0,
    deterministic: bool = False,
    num_threads: int | None = None,
    report: Reporter = ignore_progress,
) -> RegistrationResult:
    """Transform between a patient and the atlas.

    Parameters
    ----------
    patient_image : Volume
        Structural image, T1 or T1Gd, any orientation and spacing.
    atlas_image : Volume
        Skull-stripped T1 of the atlas.
    patient_brain : Volume
        Brain mask (non-zero = set) on the patient image's grid.
    lesion : Volume, optional
        Whole tumor (non-zero = set) on the same grid, left out of the comparison of the images.
    atlas_brain : Volume, optional
        Brain mask of the atlas on the atlas image's grid. Default: where the image is not 0.
    preset : str or RegistrationPreset
        Recipe: a name of `REGISTRATION_PRESETS`, or an own one. With ``none`` the images are checked and the transform
        is the identity.
    backend : str or RegistrationBackend
        Program that estimates the transform.
    seed : int
        Seed of the sampling in the similarity, ≥ 0.
    deterministic : bool
        Bit-identical result for equal inputs and seed; ANTs then runs on one thread, 2-3 times slower.
    num_threads : int, optional
        Threads, ≥ 1. Default: the cores this process may use.
    report : Reporter
        Told about the stages.

    Raises
    ------
    ParameterError, GridMismatchError, ImageError
        If a setting is unknown or out of range, a mask lies on another grid than its image, or an image cannot be used.
    RegistrationError
        If the lesion covers most of the brain, the program fails, or its result is not a plausible alignment.
    """
    start = time.perf_counter()
    recipe = registration_preset(preset)
    program = _backend(backend)
    threads = _thread_count(num_threads, deterministic=deterministic)
    if seed < 0:
        raise ParameterError(f"seed must be a non-negative integer, got {seed}.")
    brain_of_atlas = Volume(atlas_image.data != 0, atlas_image.grid) if atlas_brain is None else atlas_brain
    pair = prepare_image_pair(
        patient_image=patient_image,
        atlas_image=atlas_image,
        patient_brain=patient_brain,
        atlas_brain=brain_of_atlas,
        lesion=lesion,
        preset=recipe,
    )
    seconds = {"prepare": time.perf_counter() - start}
    alignment = _align(
        pair, recipe, program, seed=seed, deterministic=deterministic, num_threads=threads, report=report
    )
    return RegistrationResult(
        transform=alignment.transform,
        preset=recipe,
        backend="none" if recipe.affine is None else program.name,
        seed=seed,
        deterministic=deterministic or recipe.affine is None,
        num_threads=threads,
        seconds={**seconds, **alignment.seconds, "total": time.perf_counter() - start},
        versions=alignment.versions,
    )


def _align(
    pair: ImagePair,
    recipe: RegistrationPreset,
    program: RegistrationBackend,
    *,
    seed: int,
    deterministic: bool,
    num_threads: int,
    report: Reporter,
) -> Alignment:
    """What the program finds, once it is plausible; the identity where the recipe asks for nothing."""
    if recipe.affine is None:
        return Alignment(transform=Transform.identity(), seconds={}, versions={})
    alignment = program.align(
        pair, recipe, seed=seed, deterministic=deterministic, num_threads=num_threads, report=report
    )
    require_plausible_affine(alignment.transform.atlas_from_patient)
    return alignment


def require_plausible_affine(atlas_from_patient: np.ndarray) -> None:
    """Raise `RegistrationError` unless an affine could map one adult brain to another.

    Allowed are volume ratios within a factor of 2 and stretches within a factor of 1.7 along any direction,
    beside the common scale.

    Raises
    ------
    RegistrationError
        With the ratio found and advice.
    """
    ratio = float(np.linalg.det(atlas_from_patient[:3, :3]))
    advice = (
        "Check that the patient image is a skull-stripped brain with a correct header (spacing, orientation), and that "
        "the lesion mask is not inverted; if the patient is in atlas space already, use preset 'none'."
    )
    if not 1 / _VOLUME_RATIO_LIMIT <= ratio <= _VOLUME_RATIO_LIMIT:
        raise RegistrationError(
            f"registration: the affine scales the brain's volume by {ratio:.3g}: expected 0.5 to 2. {advice}"
        )
    stretches = np.linalg.svd(atlas_from_patient[:3, :3], compute_uv=False) / np.cbrt(ratio)
    worst = float(max(stretches.max(), 1 / stretches.min()))
    if worst > _STRETCH_LIMIT:
        raise RegistrationError(
            f"registration: the affine stretches or squeezes a direction by {worst:.3g} at constant volume: expected "
            f"at most {_STRETCH_LIMIT:g}. {advice}"
        )


def _backend(backend: str | RegistrationBackend) -> RegistrationBackend:
    if not isinstance(backend, str):
        return backend
    if backend not in REGISTRATION_BACKENDS:
        raise ParameterError(unknown_name("registration back end", backend, REGISTRATION_BACKENDS))
    return REGISTRATION_BACKENDS[backend]


def _thread_count(num_threads: int | None, *, deterministic: bool) -> int:
    threads = require_threads(num_threads)
    return 1 if deterministic else threads
