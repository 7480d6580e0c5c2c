"""Colors of densities and of what is uncertain, the same in figures and pages, fit for color-blind eyes.

Maps of matplotlib that grow evenly in brightness (inferno, viridis, cividis), over a gray image: opacity rises from
nothing, so a density ends without an edge that nobody measured, and stays below `MOST_OPAQUE`, so anatomy shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

#: Colors of the outlines of core and whole tumor: Okabe and Ito's sky blue and yellow.
CORE_COLOR, WHOLE_COLOR = "#56b4e9", "#f0e442"
#: Color of the 15 mm margin, and of visible tumor that is not covered (Okabe and Ito's vermilion).
MARGIN_COLOR, UNCOVERED_COLOR = "#cc79a7", "#d55e00"
#: Arrows of a displacement.
ARROW_COLOR = "#00bfff"
MOST_OPAQUE = 0.6


@dataclass(frozen=True, kw_only=True)
class ColorScale:
    """How values become colors.

    Parameters
    ----------
    words : str
        What the values are.
    colors : str
        Name of a color map of matplotlib.
    highest : float
        The value of the last color.
    exponent : float
        The color is that of (value / highest) to this power.
    opaque_from : float
        Value at which the opacity is full [part of `highest`].
    """

    words: str
    colors: str
    highest: float = 1.0
    exponent: float = 1.0
    opaque_from: float = 0.1

    def table(self, num_colors: int = 256) -> NDArray[np.uint8]:
        """Red, green, blue and opacity, (n, 4), of values from 0 to `highest`."""
        from matplotlib import colormaps

        values = np.linspace(0.0, 1.0, num_colors)
        colors = colormaps[self.colors](values**self.exponent)
        colors[:, 3] = MOST_OPAQUE * np.clip(values / self.opaque_from, 0.0, 1.0)
        colors[0, 3] = 0.0
        return np.asarray(np.rint(colors * 255), dtype=np.uint8)

    def for_figures(self) -> Colormap:
        """The same as a color map of matplotlib, for values that `norm` has scaled."""
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

        places = np.linspace(0.0, 1.0, 512)
        colors = colormaps[self.colors](places)
        colors[:, 3] = MOST_OPAQUE * np.clip(places ** (1.0 / self.exponent) / self.opaque_from, 0.0, 1.0)
        return ListedColormap(colors)

    def norm(self) -> Normalize:
        """Scale of values for `for_figures`."""
        from matplotlib.colors import PowerNorm

        return PowerNorm(gamma=self.exponent, vmin=0.0, vmax=self.highest)


DENSITY = ColorScale(words="tumor-cell density (relative)", colors="inferno", exponent=0.5, opaque_from=0.08)
STD = ColorScale(words="standard deviation", colors="viridis", highest=0.4)
#: Maps of a posterior by name.
POSTERIOR_SCALES = {
    "mean": ColorScale(words="mean density", colors="inferno", exponent=0.5, opaque_from=0.08),
    "std": STD,
    "probability_flair": ColorScale(words="P(density > FLAIR threshold)", colors="cividis"),
    "probability_t1gd": ColorScale(words="P(density > T1Gd threshold)", colors="cividis"),
}
#: Colors of targets, one after the other (Okabe and Ito).
TARGET_COLORS = ("#009e73", "#e69f00", "#cc79a7", "#0072b2")
