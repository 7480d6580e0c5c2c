"""How stiff brain tissue is: Lamé coefficients from tissue fractions and tumor-cell density.

The tissues of a voxel share its stiffness by their fractions, and tumor cells take the part c of it:

    λ = (1 − c) Σ_k p_k λ_k + c λ_tumor,   μ likewise,   k = white matter, gray matter, CSF

The published code adds the tumor's share on top of the tissues' (weights up to 2); that shares sum to 1 is our
decision.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Elasticity:
    """Elastic constants of one isotropic material.

    Parameters
    ----------
    youngs_modulus_pa : float
        E [Pa], > 0.
    poisson_ratio : float
        ν, above −1 and below 0.5.

    Raises
    ------
    ParameterError
        If a value is not finite or outside its range.

    Examples
    --------
    >>> tissue = Elasticity(youngs_modulus_pa=2100.0, poisson_ratio=0.4)
    >>> round(tissue.lame_pa), round(tissue.shear_modulus_pa)
    (3000, 750)
    """

    youngs_modulus_pa: float
    poisson_ratio: float

    def __post_init__(self) -> None:
        if not 0.0 < self.youngs_modulus_pa < np.inf:
            raise ParameterError(f"youngs_modulus_pa must be finite and > 0 [Pa], got {self.youngs_modulus_pa}.")
        if not -1.0 < self.poisson_ratio < 0.5:
            raise ParameterError(f"poisson_ratio must lie above -1 and below 0.5, got {self.poisson_ratio}.")

    @property
    def lame_pa(self) -> float:
        """First Lamé coefficient λ = E ν / ((1 + ν)(1 − 2ν)) [Pa]."""
        nu = self.poisson_ratio
        return self.youngs_modulus_pa * nu / ((1.0 + nu) * (1.0 - 2.0 * nu))

    @property
    def shear_modulus_pa(self) -> float:
        """Second Lamé coefficient μ = E / (2 (1 + ν)) [Pa]."""
        return self.youngs_modulus_pa / (2.0 * (1.0 + self.poisson_ratio))


@dataclass(frozen=True, kw_only=True)
class TissueElasticity:
    """Elastic constants of everything inside the skull; the defaults are those of the published simulations [1]_.

    Parameters
    ----------
    white_matter, gray_matter, csf, tumor : Elasticity
        Defaults: E = 2100, 2100, 100, 8000 Pa; ν = 0.4, 0.4, 0.1, 0.45. CSF is soft and compressible, which stands
        for its flowing out of the ventricles.

    References
    ----------
    .. [1] Subramanian, Gholami, Biros (2019), Simulation of glioblastoma growth using a 3D multispecies tumor model
       with mass effect, J. Math. Biol. 79, 941-967, doi 10.1007/s00285-019-01383-y.
    """

    white_matter: Elasticity = Elasticity(youngs_modulus_pa=2100.0, poisson_ratio=0.4)
    gray_matter: Elasticity = Elasticity(youngs_modulus_pa=2100.0, poisson_ratio=0.4)
    csf: Elasticity = Elasticity(youngs_modulus_pa=100.0, poisson_ratio=0.1)
    tumor: Elasticity = Elasticity(youngs_modulus_pa=8000.0, poisson_ratio=0.45)

    def __post_init__(self) -> None:
        for entry in fields(self):
            if not isinstance(getattr(self, entry.name), Elasticity):
                raise ParameterError(f"{entry.name} must be an Elasticity, got {getattr(self, entry.name)!r}.")

    def lame_coefficients(
        self, tissue: NDArray[np.float32], cell_density: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """λ and μ of each cell [Pa].

        Parameters
        ----------
        tissue : (3, X, Y, Z) float32 array
            Amounts of white matter, gray matter and CSF, ≥ 0; only their proportions count. Cells with none count as
            CSF.
        cell_density : (X, Y, Z) float32 array
            Tumor-cell density in [0, 1].
        """
        from gliofield.growth.mechanics.tissue_kernels import mixed_stiffness

        constants = np.array(
            [(m.lame_pa, m.shear_modulus_pa) for m in (self.white_matter, self.gray_matter, self.csf, self.tumor)],
            dtype=np.float32,
        )
        lame, shear = np.empty_like(cell_density), np.empty_like(cell_density)
        mixed_stiffness(tissue, cell_density, constants, lame, shear)
        return lame, shear
