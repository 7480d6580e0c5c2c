"""The domain of a tumor that is seen: the tissue of the anatomy, and every voxel where cells are known to have room.

An atlas moved to a patient has ventricles and sulci where the tumor is. Tumor that is seen has room: its voxels belong
to the domain, half white and half gray matter where the anatomy says CSF. A resection cavity has no cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy

# White matter of an opened voxel of which the anatomy says nothing. *Chosen*.
_WHITE_FRACTION = np.float32(0.5)


def open_domain(anatomy: Anatomy, room: NDArray[np.bool_], cavity: NDArray[np.bool_] | None = None) -> Anatomy:
    """The anatomy with room for cells where they are known to be, and none in a cavity.

    Parameters
    ----------
    anatomy : Anatomy
        Where cells may live.
    room : (X, Y, Z) bool array
        Voxels that join the domain, such as what FLAIR shows, on its grid.
    cavity : (X, Y, Z) bool array or None
        Where no cells are.
    """
    domain = anatomy.domain | room
    if cavity is not None:
        domain &= ~cavity
    is_new = domain & ~anatomy.domain
    white = np.where(is_new, _WHITE_FRACTION, anatomy.white_matter) * domain
    gray = np.where(is_new, np.float32(1.0) - _WHITE_FRACTION, anatomy.gray_matter) * domain
    return Anatomy(
        white_matter=white.astype(np.float32),
        gray_matter=gray.astype(np.float32),
        domain=domain,
        grid=anatomy.grid,
        domain_rule=f"{anatomy.domain_rule}, opened",
    )
