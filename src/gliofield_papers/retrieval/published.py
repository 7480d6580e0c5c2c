"""What the papers and the thesis print about retrieval, to stand beside what is measured here.

Accuracy: Ezhov et al. (2022), "Casting the inverse problem as a database query", Tables 1 and 2, which "A for-loop is
all you need" (2022) repeats; 50,000 tumors, 62 patients (the radiomics figures, 4.92 % = 3/61, are of 61), 1,000
synthetic tumors. VAE 8 and VAE 8 20K: Rosier (2022), bachelor's thesis, Technical University of Munich, Table 1.
Runtimes: 32 processes on AMD EPYC 7452 processors, networks on an NVIDIA Quadro P8000, loading included. Figures that
the two papers and the thesis all give agree, but for the runtime of the AE (22 s in the tables, "approximately 21
seconds" in the thesis' text).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Registration, query and transform back, from radiomics to the direct query [min] (section 4).
PUBLISHED_PIPELINE_MINUTES = (2.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class PublishedStrategy:
    """A column of a published table.

    Parameters
    ----------
    key : str
        Name by which our strategies refer to it.
    name : str
        What the source calls it.
    top_percent : 3 floats
        Top-1, top-5 and top-15 on 62 real patients [%].
    seconds : float
        Runtime of one query [s].
    synthetic_top_percent : 3 floats or None
        The same on 1,000 synthetic tumors [%].
    """

    key: str
    name: str
    top_percent: tuple[float, float, float]
    seconds: float
    synthetic_top_percent: tuple[float, float, float] | None = None


PUBLISHED_STRATEGIES = {
    strategy.key: strategy
    for strategy in (
        PublishedStrategy(
            key="direct",
            name="direct query",
            top_percent=(100.0, 100.0, 100.0),
            seconds=340.0,
            synthetic_top_percent=(100.0, 100.0, 100.0),
        ),
        PublishedStrategy(
            key="ds64",
            name="DS 64",
            top_percent=(88.7, 100.0, 100.0),
            seconds=130.0,
            synthetic_top_percent=(93.5, 100.0, 100.0),
        ),
        PublishedStrategy(
            key="ds32",
            name="DS 32",
            top_percent=(66.1, 96.7, 100.0),
            seconds=116.0,
            synthetic_top_percent=(78.9, 99.6, 100.0),
        ),
        PublishedStrategy(key="vae-1024", name="VAE", top_percent=(41.9, 61.2, 80.6), seconds=34.0),
        PublishedStrategy(key="ae", name="AE", top_percent=(33.8, 64.5, 77.4), seconds=22.0),
        PublishedStrategy(key="hash", name="BF-HASH", top_percent=(32.2, 67.7, 82.2), seconds=22.0),
        PublishedStrategy(key="radiomics", name="RF", top_percent=(4.92, 4.92, 9.83), seconds=2.8),
        PublishedStrategy(key="vae-8", name="VAE 8 (thesis)", top_percent=(19.3, 48.3, 67.7), seconds=7.0),
        PublishedStrategy(key="vae-8-20k", name="VAE 8 20K (thesis)", top_percent=(30.6, 56.4, 69.3), seconds=7.0),
    )
}


@dataclass(frozen=True, kw_only=True)
class PublishedReconstruction:
    """Mean Dice between masks and their reconstruction by a network (thesis, Figures 12 and 14).

    Parameters
    ----------
    key : str
        Strategy, a key of `PUBLISHED_STRATEGIES`.
    group : str
        ``database`` or ``real``.
    dice_flair, dice_t1gd : float
        Means.
    """

    key: str
    group: str
    dice_flair: float
    dice_t1gd: float


PUBLISHED_RECONSTRUCTIONS = (
    PublishedReconstruction(key="ae", group="database", dice_flair=0.950, dice_t1gd=0.936),
    PublishedReconstruction(key="ae", group="real", dice_flair=0.598, dice_t1gd=0.507),
    PublishedReconstruction(key="vae-8", group="database", dice_flair=0.902, dice_t1gd=0.881),
    PublishedReconstruction(key="vae-8", group="real", dice_flair=0.526, dice_t1gd=0.438),
)


@dataclass(frozen=True, kw_only=True)
class PublishedBestDice:
    """Mean Dice of the best match by the direct query in 50,000 tumors; None where a source does not say.

    Parameters
    ----------
    group : str
        ``real`` or ``synthetic``.
    combined, t1gd, flair : float or None
        Sum of both (Table 2 of the papers), and each (thesis, Figure 9).
    """

    group: str
    combined: float
    t1gd: float | None = None
    flair: float | None = None


PUBLISHED_BEST_DICE = {
    best.group: best
    for best in (
        PublishedBestDice(group="real", combined=1.07, t1gd=0.522, flair=0.549),
        PublishedBestDice(group="synthetic", combined=1.69),
    )
}

#: Combined Dice of the exact best between which the thesis picks one patient each for its Table 2.
THESIS_DICE_BINS = ((1.3, 1.5), (1.1, 1.3), (0.9, 1.1), (0.7, 0.9), (0.5, 0.7))
