"""Whether the tumors of a database are as large, as sharp-edged and in the places that those of patients are.

Both sides become a `TumorCohort` of the same few numbers (`QUANTITIES`), which `coverage_of` and the figure compare.
Places are offsets from the center of mass of the atlas' brain, so cohorts of different atlases can stand side by side,
and left and right are one: the side of a patient's scan cannot be told from the image.

Volumes come from the table of the database. Places need densities, so they are measured on a sample of tumors and cost
the same for any number of them. They are centers of mass of the whole tumor, not seeds: only they can be measured on a
patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError, unknown_name
from gliofield_papers.databases.patient_volumes import PatientTumor

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NUM_CENTERS = 400


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What is compared.

    Parameters
    ----------
    key : str
        Name in `TumorCohort.values`.
    label : str
        Words for an axis, with the unit.
    has_log_axis : bool
        Whether it spans orders of magnitude.
    """

    key: str
    label: str
    has_log_axis: bool


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(key="core_ml", label="tumor core (T1Gd) [ml]", has_log_axis=True),
    Quantity(key="whole_ml", label="whole tumor (FLAIR) [ml]", has_log_axis=True),
    Quantity(key="whole_to_core_ratio", label="whole tumor / tumor core [-]", has_log_axis=True),
    Quantity(key="midline_distance_mm", label="tumor center to midline [mm]", has_log_axis=False),
    Quantity(key="anterior_mm", label="tumor center in front of brain center [mm]", has_log_axis=False),
    Quantity(key="superior_mm", label="tumor center above brain center [mm]", has_log_axis=False),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class TumorCohort:
    """The numbers of many tumors.

    Parameters
    ----------
    name : str
        Name in tables and legends.
    core_ml, whole_ml : (n,) float64 arrays
        Volumes of all tumors [ml].
    offset_mm : (m, 3) float64 array
        Tumor centers from the center of the brain [mm, RAS+], of those m ≤ n tumors where they are known.
    """

    name: str
    core_ml: NDArray[np.float64]
    whole_ml: NDArray[np.float64]
    offset_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.whole_ml)

    @property
    def num_without_core(self) -> int:
        """Tumors without a core; they have no place in `values` of core and ratio."""
        return int(np.count_nonzero(self.core_ml <= 0.0))

    def values(self, key: str) -> NDArray[np.float64]:
        """Values of one of `QUANTITIES`, of the tumors that have it.

        Tumors without a core have neither a core volume nor a ratio: both would be drawn on a logarithmic axis, and
        their number is `num_without_core`.

        Raises
        ------
        ParameterError
            If there is no such quantity.
        """
        has_core = self.core_ml > 0.0
        core_ml = self.core_ml[has_core]
        by_key = {
            "core_ml": core_ml,
            "whole_ml": self.whole_ml,
            "whole_to_core_ratio": self.whole_ml[has_core] / core_ml,
            "midline_distance_mm": np.abs(self.offset_mm[:, 0]),
            "anterior_mm": self.offset_mm[:, 1],
            "superior_mm": self.offset_mm[:, 2],
        }
        if key not in by_key:
            raise ParameterError(unknown_name("quantity", key, by_key))
        return by_key[key]


@dataclass(frozen=True, kw_only=True)
class QuantityCoverage:
    """One quantity of a database beside the patients.

    Parameters
    ----------
    quantity : Quantity
        What is compared.
    cohort : str
        Name of the database's cohort.
    num_values : int
        Tumors of the database that have the quantity.
    quantiles : 5 floats
        5, 25, 50, 75 and 95 % quantiles of the database; NaN without a value.
    num_patients, num_patients_inside : int
        Patients that have the quantity, and those between the 5 and 95 % quantiles, both included.
    """

    quantity: Quantity
    cohort: str
    num_values: int
    quantiles: tuple[float, ...]
    num_patients: int
    num_patients_inside: int

    @property
    def share_of_patients_inside(self) -> float:
        """Share of the patients within the 5-95 % range, in [0, 1]; NaN without patients."""
        return self.num_patients_inside / self.num_patients if self.num_patients else float("nan")


def brain_center_mm(atlas: Atlas) -> NDArray[np.float64]:
    """Center of mass of the atlas' brain mask [mm, RAS+], (3,)."""
    return atlas.grid.world_of(np.argwhere(atlas.tissue_maps.brain).mean(axis=0))


def cohort_of_database(
    database: SimulationDatabase, *, name: str, atlas: Atlas, num_centers: int = _NUM_CENTERS, seed: int = 0
) -> TumorCohort:
    """Cohort of a database.

    Parameters
    ----------
    database : SimulationDatabase
        An open database.
    name : str
        Name of the cohort.
    atlas : Atlas
        Its atlas.
    num_centers : int
        Tumors whose centers are measured, ≥ 1; all if there are fewer.
    seed : int
        Which ones are drawn.

    Raises
    ------
    ParameterError
        If `num_centers` is not positive or the atlas is another one.
    DatabaseError
        If a tumor of the sample cannot be read.
    """
    if num_centers < 1:
        raise ParameterError(f"num_centers must be at least 1, got {num_centers}.")
    if atlas.content_hash != database.header.atlas_hash:
        raise ParameterError(
            f"{database.path} was made with the atlas {database.header.atlas_name!r}, got {atlas.name!r} (or another "
            "version of it). Load the atlas it was made with."
        )
    whole_ml, core_ml = database.volume_ml.astype(np.float64).T
    number = min(num_centers, database.num_tumors)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(database.num_tumors, size=number, replace=False))
    return TumorCohort(
        name=name,
        core_ml=core_ml,
        whole_ml=whole_ml,
        offset_mm=whole_tumor_centers_mm(database, sample.tolist()) - brain_center_mm(atlas),
    )


def cohort_of_patients(patients: Sequence[PatientTumor], *, atlas: Atlas, name: str = "patients") -> TumorCohort:
    """Cohort of patients measured on the grid of this atlas."""
    centers_mm = [patient.center_mm for patient in patients if patient.center_mm is not None]
    return TumorCohort(
        name=name,
        core_ml=np.array([patient.core_ml for patient in patients], dtype=np.float64),
        whole_ml=np.array([patient.whole_ml for patient in patients], dtype=np.float64),
        offset_mm=np.array(centers_mm, dtype=np.float64).reshape(-1, 3) - brain_center_mm(atlas),
    )


def whole_tumor_centers_mm(database: SimulationDatabase, indices: Sequence[int]) -> NDArray[np.float64]:
    """Centers of mass of whole tumors [mm, RAS+], (m, 3); a tumor without a voxel above FLAIR's threshold is left out.

    Memory is that of one tumor.
    """
    grid, level = database.header.grid, database.header.threshold_levels["flair"]
    levels = np.empty(grid.shape, dtype=np.uint8)
    centers = []
    for index in indices:
        database.density_levels(index, out=levels)
        box = database.bounding_box[index]
        start, window = box[::2], tuple(slice(a, b) for a, b in zip(box[::2], box[1::2], strict=True))
        voxels = np.argwhere(levels[window] > level)
        if len(voxels):
            centers.append(grid.world_of(voxels.mean(axis=0) + start))
    return np.array(centers, dtype=np.float64).reshape(-1, 3)


def coverage_of(cohort: TumorCohort, patients: TumorCohort) -> tuple[QuantityCoverage, ...]:
    """Every quantity of a database's cohort beside the patients, in the order of `QUANTITIES`."""
    return tuple(_coverage(quantity, cohort, patients.values(quantity.key)) for quantity in QUANTITIES)


def _coverage(quantity: Quantity, cohort: TumorCohort, of_patients: NDArray[np.float64]) -> QuantityCoverage:
    values = cohort.values(quantity.key)
    quantiles = quantiles_of(values)
    inside = (of_patients >= quantiles[0]) & (of_patients <= quantiles[-1])
    return QuantityCoverage(
        quantity=quantity,
        cohort=cohort.name,
        num_values=len(values),
        quantiles=quantiles,
        num_patients=len(of_patients),
        num_patients_inside=int(np.count_nonzero(inside)),
    )


def quantiles_of(values: NDArray[np.float64]) -> tuple[float, ...]:
    """5, 25, 50, 75 and 95 % quantiles, NaN of nothing.

    Examples
    --------
    >>> quantiles_of(np.linspace(0.0, 100.0, 101))
    (5.0, 25.0, 50.0, 75.0, 95.0)
    """
    if len(values) == 0:
        return (float("nan"),) * len(QUANTILES)
    return tuple(float(value) for value in np.quantile(values, QUANTILES))
