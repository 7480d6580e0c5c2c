"""Published sizes of gliomas before treatment, and what the published simulations hold, each with its source.

Only figures that their source states itself; none is derived here. Two cautions:

- Surgical series measure the contrast-enhancing tumor, mostly without its necrotic center. Our tumor core includes it,
  so those figures bound the core from below.
- No source with quantiles of whole tumor and core over the BraTS training data was found; `PUBLISHED_VOLUMES` has means
  and medians of other cohorts instead, mostly glioblastoma.

References
----------
.. [1] Preoperative two-dimensional size of glioblastoma is associated with patient survival. World Neurosurg. 2018;115:
   e448-e463. doi 10.1016/j.wneu.2018.04.067; abstract, https://pubmed.ncbi.nlm.nih.gov/29678715/
.. [2] Loebel F et al., Profiles of survival prediction in glioblastoma. Brain Spine 2025;5:104324.
   doi 10.1016/j.bas.2025.104324; abstract.
.. [3] Residual tumor volume versus extent of resection: predictors of survival after surgery for glioblastoma;
   abstract, https://scholars.utoledo.edu/display/n278100
.. [4] Hamada SM, Anatomical resection in glioblastoma: extent of resection and its impact on duration of survival.
   Egypt J Neurol Psychiatr Neurosurg 2016;53(3):135-145; abstract, http://www.ejnpn.eg.net (ISSN 1110-1083).
.. [5] Ezhov I et al., Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor modeling (2021): its
   857 accepted validation tumors simulated again, masks u > 0.6 and u > 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedVolume:
    """One published distribution of one quantity.

    Parameters
    ----------
    quantity : str
        Key of `QUANTITIES` it is compared with.
    source : str
        Short name for a legend; the module's references have the full one, in the order of `PUBLISHED_VOLUMES`.
    measured : str
        What the source measured, where it is not exactly the quantity.
    num_tumors : int
        Number of tumors behind the figures.
    median, mean : float, optional
        In the quantity's unit; at least one is given.
    interval : (low, high), optional
        Quantiles, in the quantity's unit.
    interval_name : str
        Which quantiles, such as ``"25-75 %"``; empty without an interval.
    """

    quantity: str
    source: str
    measured: str
    num_tumors: int
    median: float | None = None
    mean: float | None = None
    interval: tuple[float, float] | None = None
    interval_name: str = ""


PUBLISHED_VOLUMES: tuple[PublishedVolume, ...] = (
    PublishedVolume(
        quantity="core_ml",
        source="World Neurosurg 2018",
        measured="enhancing part",
        num_tumors=61,
        median=18.2,
        interval=(8.2, 41.7),
        interval_name="25-75 %",
    ),
    PublishedVolume(
        quantity="core_ml", source="Loebel 2025", measured="total tumor volume", num_tumors=214, mean=33.62
    ),
    PublishedVolume(
        quantity="core_ml", source="residual volume study", measured="enhancing part", num_tumors=128, median=29.0
    ),
    PublishedVolume(quantity="core_ml", source="Hamada 2016", measured="enhancing part", num_tumors=59, median=42.36),
    PublishedVolume(
        quantity="core_ml",
        source="simulations of Ezhov 2021",
        measured="u > 0.6",
        num_tumors=857,
        median=159.0,
        interval=(15.0, 423.0),
        interval_name="5-95 %",
    ),
    PublishedVolume(quantity="whole_ml", source="Loebel 2025", measured="FLAIR volume", num_tumors=214, mean=97.88),
    PublishedVolume(
        quantity="whole_ml",
        source="simulations of Ezhov 2021",
        measured="u > 0.2",
        num_tumors=857,
        median=236.0,
        interval=(27.0, 640.0),
        interval_name="5-95 %",
    ),
    PublishedVolume(
        quantity="whole_to_core_ratio",
        source="simulations of Ezhov 2021",
        measured="u > 0.2 over u > 0.6",
        num_tumors=857,
        median=1.46,
        interval=(1.06, 3.0),
        interval_name="5-95 %",
    ),
)

# What patients show, as the clinical design is asked to cover it: the requirement, no measurement.
RANGES_TO_COVER: dict[str, tuple[float, float]] = {
    "core_ml": (0.5, 190.0),
    "whole_ml": (10.0, 250.0),
    "whole_to_core_ratio": (1.0, 40.0),
}
