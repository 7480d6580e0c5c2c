"""The Fisher–Kolmogorov model: tumor cells spread through tissue and divide up to a carrying capacity.

    ∂c/∂t = ∇·(D ∇c) + ρ c (1 − c),   D = D_w · white_matter + D_g · gray_matter,   no flux out of the domain

Conservative finite volumes in space (`diffusivity`), Strang splitting of exact growth and RKL2 diffusion in time
(`evolution`, `super_time_stepping`) with steps that follow the tumor (`time_step`), float32 states.

Schemes: ``strang-rkl2`` is converged in time. ``published`` reproduces the solver behind the published databases,
errors included; the two are different models for the same parameters. Mass effect is another equation, another class.

References
----------
.. [1] Lipková et al. (2019), Personalized Radiotherapy Design for Glioblastoma: Integrating Mathematical Tumor
   Models, Multimodal Scans, and Bayesian Inference, IEEE TMI 38, 1875-1884, doi 10.1109/TMI.2019.2902044, Eq. 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.cores import shared_threads
from gliofield.errors import ParameterError, unknown_name
from gliofield.growth.diffusivity import FaceCoefficients, face_coefficients
from gliofield.growth.evolution import Evolution, evolve, evolve_published
from gliofield.growth.parameters import FisherKolmogorovParameters
from gliofield.growth.run_inputs import check_run
from gliofield.growth.seed import DENSITY_FLOOR, SEED_VARIANCE_MM2, seed_density
from gliofield.growth.solution import Solution
from gliofield.growth.stepper import Stepper
from gliofield.growth.time_step import require_time_step_scale
from gliofield.growth.volume_limit import VolumeLimit, VoxelLimit
from gliofield.progress import Reporter, ignore_progress

SCHEMES = ("strang-rkl2", "published")
BACKENDS = ("numba", "numpy")


@dataclass(frozen=True, kw_only=True)
class FisherKolmogorov:
    """Reaction-diffusion growth model.

    Parameters
    ----------
    scheme : {"strang-rkl2", "published"}
        Time stepping; ``published`` only to compare with published data.
    backend : {"numba", "numpy"}
        Compiled kernels around the tumor, or the plain reference. A GPU takes many tumors at once: `simulate_many`.
    num_threads : int
        Threads that share one run, ≥ 1. The result does not depend on it. To grow many tumors, run them in
        parallel with one thread each instead.
    time_step_scale : float
        Factor on every time step of ``strang-rkl2``, > 0 and ≤ 8: 0.25 for a converged reference. No step is unstable,
        as each gets the stages it needs. Not used by ``published``.
    report : Reporter
        Told of every step.

    Raises
    ------
    ParameterError
        If the scheme or backend is unknown, or a number is out of range.

    Examples
    --------
    >>> FisherKolmogorov(scheme="strang-rkl2", time_step_scale=0.25).name
    'fisher-kolmogorov'
    """

    scheme: str = "strang-rkl2"
    backend: str = "numba"
    num_threads: int = 1
    time_step_scale: float = 1.0
    report: Reporter = field(default=ignore_progress, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ParameterError(unknown_name("scheme", self.scheme, SCHEMES))
        if self.backend not in BACKENDS:
            raise ParameterError(unknown_name("backend", self.backend, BACKENDS))
        if not isinstance(self.num_threads, int) or self.num_threads < 1:
            raise ParameterError(f"num_threads must be an integer ≥ 1, got {self.num_threads}.")
        require_time_step_scale(self.time_step_scale)

    @property
    def name(self) -> str:
        """``"fisher-kolmogorov"``."""
        return "fisher-kolmogorov"

    def simulate(
        self,
        anatomy: Anatomy,
        parameters: FisherKolmogorovParameters,
        times_days: float | Sequence[float],
        *,
        volume_limit: VolumeLimit | None = None,
    ) -> Solution:
        """Cell density at each requested time; several times cost the price of the longest.

        Parameters
        ----------
        anatomy : Anatomy
            Brain to grow in. Its face coefficients are computed on first use and kept as long as the object
            lives, so its arrays must not be changed afterwards.
        parameters : FisherKolmogorovParameters
            Growth parameters and seed.
        times_days : float or sequence of float
            Time or times after the seed [day], strictly increasing, > 0.
        volume_limit : VolumeLimit or None
            The run ends after the first time step before the last time at whose end the tumor is larger.

        Raises
        ------
        ParameterError
            If an argument is of another type, times are invalid, the seed is off the grid or outside the tissue, or
            the run is far too long.
        """
        times = check_run(anatomy, parameters, times_days)
        initial = seed_density(anatomy, parameters.seed_mm)
        faces = face_coefficients(anatomy, parameters.diffusivity_ratio, parameters.axis_stretch)
        with shared_threads(self.num_threads) as executor:
            stepper = make_stepper(self.backend, faces, initial, executor=executor, num_threads=self.num_threads)
            limit = volume_limit.on(anatomy.grid) if volume_limit is not None else None
            evolution = self._evolve(stepper, faces, anatomy.spacing_mm, parameters, times, limit)
        return Solution(
            cell_density=evolution.cell_density,
            times_days=evolution.times_days,
            grid=anatomy.grid,
            num_steps=evolution.num_steps,
            num_voxel_steps=evolution.num_voxel_steps,
            scheme=self.scheme,
            backend=self.backend,
            front_resolution=parameters.infiltration_length_mm / anatomy.spacing_mm,
            stopped_at_days=evolution.stopped_at_days,
        )

    def _evolve(
        self,
        stepper: Stepper,
        faces: FaceCoefficients,
        spacing_mm: float,
        parameters: FisherKolmogorovParameters,
        times_days: tuple[float, ...],
        limit: VoxelLimit | None,
    ) -> Evolution:
        if self.scheme == "published":
            return evolve_published(
                stepper,
                faces,
                spacing_mm=spacing_mm,
                white_matter_diffusivity_mm2_per_day=parameters.white_matter_diffusivity_mm2_per_day,
                proliferation_rate_per_day=parameters.proliferation_rate_per_day,
                times_days=times_days,
                limit=limit,
                report=self.report,
            )
        return evolve(
            stepper,
            faces,
            spacing_mm=spacing_mm,
            white_matter_diffusivity_mm2_per_day=parameters.white_matter_diffusivity_mm2_per_day,
            proliferation_rate_per_day=parameters.proliferation_rate_per_day,
            initial_variance_mm2=SEED_VARIANCE_MM2,
            times_days=times_days,
            time_step_scale=self.time_step_scale,
            limit=limit,
            report=self.report,
        )


def make_stepper(
    backend: str,
    faces: FaceCoefficients,
    initial_density: NDArray[np.float32],
    *,
    executor: Executor | None = None,
    num_threads: int = 1,
    density_floor: float = DENSITY_FLOOR,
) -> Stepper:
    """State of a run from an initial density (X, Y, Z), on a backend of `BACKENDS`.

    Growth clears densities below `density_floor`; another than the default is for measuring what it costs.
    """
    padded = faces.padded(initial_density)
    if backend == "numpy":
        from gliofield.growth.backends.numpy_reference import NumpyStepper

        return NumpyStepper(faces, padded, density_floor=density_floor)
    # Numba takes a second to import; whoever only reads parameters or solutions does not pay for it.
    from gliofield.growth.backends.numba_stepper import NumbaStepper

    return NumbaStepper(faces, padded, executor=executor, num_threads=num_threads, density_floor=density_floor)
