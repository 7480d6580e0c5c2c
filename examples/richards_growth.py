"""A new growth model: Richards growth, of which the logistic curve (ν = 1) and Gompertz (ν → 0) are special cases.

    ∂u/∂t = ∇·(D ∇u) + ρ u (1 − u^ν) / ν,  no flux through the boundary of the tissue        (Richards 1959)

Each step of time Δt diffuses, by explicit Euler, and then grows exactly, u ← u [u^ν + (1 − u^ν) exp(−ρ Δt)]^(−1/ν).
Both keep u in [0, 1] as long as Δt ≤ h² / Σ D over the six faces of a voxel; the splitting is of first order in Δt.
"""

from dataclasses import dataclass

import numpy as np

import gliofield
from gliofield.growth import Solution, seed_density
from gliofield.growth.backends.numpy_reference import net_inflow
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.run_inputs import check_run


@dataclass(frozen=True, kw_only=True)
class Richards:
    """Keeps the protocol `GrowthModel`; the header of a database records its name and ν."""

    exponent: float = 0.5
    name: str = "richards"

    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        times_days = check_run(anatomy, parameters, times_days)
        faces = face_coefficients(anatomy, parameters.diffusivity_ratio, parameters.axis_stretch)
        diffusion_per_day = parameters.white_matter_diffusivity_mm2_per_day / anatomy.spacing_mm**2
        density = faces.padded(seed_density(anatomy, parameters.seed_mm))
        densities, days = np.zeros((len(times_days), *anatomy.grid.shape), np.float32), np.diff((0.0, *times_days))
        steps = np.ceil(days * max(diffusion_per_day * faces.max_face_sum, 1e-3)).astype(int)
        for target, number, step_days in zip(densities, steps, days / steps, strict=True):
            for _ in range(number):
                density += np.float32(step_days * diffusion_per_day) * net_inflow(density, faces)
                density = self.grown(density, parameters.proliferation_rate_per_day * step_days)
            faces.unpadded_into(target, density)
        return Solution(
            cell_density=densities,
            times_days=times_days,
            grid=anatomy.grid,
            num_steps=int(steps.sum()),
            num_voxel_steps=int(steps.sum()) * density.size,
            scheme="euler, then exact growth",
            backend="numpy",
            front_resolution=parameters.infiltration_length_mm * np.sqrt(self.exponent) / anatomy.spacing_mm,
        )

    def grown(self, u, rate):
        power = np.clip(u, 0.0, 1.0) ** np.float32(self.exponent)  # rounding may leave [0, 1] by a bit
        return np.clip(u * (power + (1.0 - power) * np.exp(-rate)) ** (-1.0 / self.exponent), 0.0, 1.0)


if __name__ == "__main__":
    rates = {"white_matter_diffusivity_mm2_per_day": 0.3, "proliferation_rate_per_day": 0.03}
    tumor = gliofield.FisherKolmogorovParameters(**rates, seed_mm=(-90.0, 130.0, 80.0))
    print(gliofield.simulate(tumor, [100, 200], model=Richards(exponent=0.3)).volume_ml(0.2))
