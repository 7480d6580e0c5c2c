"""A page measured in inches, for figures whose parts must neither touch nor drift apart when one of them grows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT_COLOR = "#333333"
_NOT_DRAWABLE = re.compile("[\ud800-\udfff\0]")


def plain_text(text: str) -> str:
    """A text with the name of a file or an atlas in it, as a figure can draw it.

    Dollar signs are no formula, and bytes of a name that are no UTF-8 become the sign for that.

    Examples
    --------
    >>> plain_text("Pat$^$")
    'Pat\\\\$^\\\\$'
    """
    return _NOT_DRAWABLE.sub("\ufffd", text).replace("$", r"\$")


@dataclass(frozen=True, kw_only=True)
class Page:
    """Size of a page [inches]; places count from its lower left corner."""

    width: float
    height: float

    def borders(self, *, left: float, right: float, bottom: float, top: float) -> dict[str, float]:
        """Borders of a grid of panels, as matplotlib's grids take them."""
        return {
            "left": left / self.width,
            "right": right / self.width,
            "bottom": bottom / self.height,
            "top": top / self.height,
        }

    def rectangle(
        self, *, left: float, bottom: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """Rectangle of one panel, as matplotlib's axes take it."""
        return left / self.width, bottom / self.height, width / self.width, height / self.height

    def write(self, figure: Figure, left: float, bottom: float, text: str, *, size: float = 9.0) -> None:
        """Write text with its lower left corner at a place."""
        figure.text(
            left / self.width, bottom / self.height, plain_text(text), fontsize=size, va="bottom", color=TEXT_COLOR
        )
