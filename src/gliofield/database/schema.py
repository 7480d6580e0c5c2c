"""What a simulation database says about itself: its format, and everything its tumors depend on.

The header is stored as the attributes of the Zarr group, so any Zarr reader shows it. Two databases with equal
headers hold equal tumors, number by number; a build refuses to continue under another header. The arrays are listed
in `ARRAY_NAMES`; their layout is in `layout`.

Versions of the format are refused, never guessed. A new version gets a reader of its own, tested on files written by
the old one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gliofield.database.quantization import QUANTIZATION_RULE, levels_of
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds

FORMAT_NAME = "gliofield-simulation-database"
# Written before the package was renamed; the same format under the old name.
_FORMER_FORMAT_NAME, _FORMER_VERSION_KEY = "gliomap-simulation-database", "gliomap_version"
FORMAT_VERSION = 2

ARRAY_NAMES = ("density", "parameters", "volume_ml", "bounding_box", "checksum", "attempt", "rejections")
VOLUME_NAMES = ("flair", "t1gd")
BOUNDING_BOX_NAMES = ("x_start", "x_stop", "y_start", "y_stop", "z_start", "z_stop")

UNITS = {
    "cell_density": "1 (relative to carrying capacity)",
    "length": "mm (world, RAS+)",
    "time": "day",
    "diffusivity": "mm^2/day",
    "proliferation_rate": "1/day",
    "volume": "ml",
    "push": "Pa",
}

# Settings that change how a result is computed but never what comes out.
_WITHOUT_INFLUENCE = frozenset({"num_threads", "report"})


@dataclass(frozen=True, kw_only=True)
class DatabaseHeader:
    """Everything the tumors of a database depend on.

    Parameters
    ----------
    atlas_name, atlas_hash : str
        Name and content hash of the atlas.
    grid : Grid
        Grid of every tumor.
    domain_rule, anatomy_hash : str
        Rule of the simulation domain, and content hash of the anatomy it gave.
    model, design : mapping
        ``{"name": …, "settings": {…}}`` of the growth model and the design, JSON-ready.
    root_seed : int
        Root of all random numbers, ≥ 0.
    snapshots_per_run : int
        Tumors taken from one simulation, ≥ 1.
    thresholds : VisibilityThresholds
        Densities above which `volume_ml` counts.
    gliofield_version : str
        Version that made the tumors.
    first_tumor : int
        Number of the first tumor: 0, but in a part that is to be merged with others.
    """

    atlas_name: str
    atlas_hash: str
    grid: Grid
    domain_rule: str
    anatomy_hash: str
    model: Mapping[str, Any]
    design: Mapping[str, Any]
    root_seed: int
    snapshots_per_run: int
    thresholds: VisibilityThresholds
    gliofield_version: str
    first_tumor: int = 0

    def __post_init__(self) -> None:
        if self.root_seed < 0:
            raise ParameterError(f"root_seed must be a non-negative integer, got {self.root_seed}.")
        if self.snapshots_per_run < 1:
            raise ParameterError(f"snapshots_per_run must be at least 1, got {self.snapshots_per_run}.")
        if self.first_tumor < 0:
            raise ParameterError(f"first_tumor must be a non-negative integer, got {self.first_tumor}.")

    @property
    def threshold_levels(self) -> dict[str, int]:
        """Stored levels above which `volume_ml` counts, by the names of its columns."""
        return dict(zip(VOLUME_NAMES, levels_of(self.thresholds), strict=True))

    def to_attributes(self) -> dict[str, Any]:
        """Attributes of the Zarr group, JSON-ready and in a fixed order."""
        return {
            "format": FORMAT_NAME,
            "format_version": FORMAT_VERSION,
            "gliofield_version": self.gliofield_version,
            "atlas": {"name": self.atlas_name, "content_hash": self.atlas_hash},
            "grid": self.grid.to_dict(),
            "domain": {"rule": self.domain_rule, "anatomy_hash": self.anatomy_hash},
            "model": dict(self.model),
            "design": dict(self.design),
            "root_seed": self.root_seed,
            "snapshots_per_run": self.snapshots_per_run,
            "first_tumor": self.first_tumor,
            "thresholds": {"flair": self.thresholds.flair_threshold, "t1gd": self.thresholds.t1gd_threshold},
            "threshold_levels": self.threshold_levels,
            "quantization": QUANTIZATION_RULE,
            "units": UNITS,
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], *, source: str) -> DatabaseHeader:
        """Header from the attributes of a Zarr group.

        Parameters
        ----------
        attributes : mapping
            As `to_attributes` made them.
        source : str
            Where they come from, for messages.

        Raises
        ------
        DatabaseError
            If they are not those of a simulation database, of another format version, or incomplete.
        """
        if not isinstance(attributes, Mapping) or attributes.get("format") not in (FORMAT_NAME, _FORMER_FORMAT_NAME):
            raise DatabaseError(
                f"{source} is not a gliofield simulation database: expected the group attribute format = "
                f"{FORMAT_NAME!r}, got {_format_of(attributes)!r}. Check the path."
            )
        version = attributes.get("format_version")
        written_by = attributes.get("gliofield_version", attributes.get(_FORMER_VERSION_KEY))
        if version != FORMAT_VERSION:
            raise DatabaseError(
                f"{source} has database format version {version!r}, this gliofield reads version {FORMAT_VERSION} "
                f"(it was written by version {written_by}). "
                "Open it with that version, or build it again."
            )
        try:
            return cls(
                atlas_name=attributes["atlas"]["name"],
                atlas_hash=attributes["atlas"]["content_hash"],
                grid=Grid.from_dict(attributes["grid"]),
                domain_rule=attributes["domain"]["rule"],
                anatomy_hash=attributes["domain"]["anatomy_hash"],
                model=attributes["model"],
                design=attributes["design"],
                root_seed=attributes["root_seed"],
                snapshots_per_run=attributes["snapshots_per_run"],
                first_tumor=attributes["first_tumor"],
                thresholds=VisibilityThresholds(
                    flair_threshold=attributes["thresholds"]["flair"], t1gd_threshold=attributes["thresholds"]["t1gd"]
                ),
                gliofield_version=_text(written_by),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DatabaseError(
                f"{source}: the header is damaged ({type(error).__name__}: {error}). Build the database again."
            ) from error

    def require_same_as(self, other: DatabaseHeader, *, source: str) -> None:
        """Raise `DatabaseError`, listing every difference, unless both headers are equal.

        Parameters
        ----------
        other : DatabaseHeader
            What is asked for.
        source : str
            The database or unfinished build this header belongs to.
        """
        own, asked = self.to_attributes(), other.to_attributes()
        differences = [
            f"  {key}: {json.dumps(own[key])} there, {json.dumps(asked[key])} asked for"
            for key in own
            if own[key] != asked[key]
        ]
        if differences:
            raise DatabaseError(
                f"{source} was made with other settings, so its tumors are not those asked for:\n"
                + "\n".join(differences)
                + "\nUse the same settings, or build into another folder."
            )


def _format_of(attributes: Any) -> Any:
    return attributes.get("format") if isinstance(attributes, Mapping) else attributes


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected the version as text, got {value!r}")
    return value


def without_backend(description: Mapping[str, Any]) -> dict[str, Any]:
    """What `describe_settings` said of a growth model, without its backend: backends agree to rounding."""
    settings = {name: value for name, value in description["settings"].items() if name != "backend"}
    return {**description, "settings": settings}


def describe_model(model: Any, *, backend: str | None = None) -> dict[str, Any]:
    """`describe_settings` of a growth model; another backend than its own stands there where tumors are made on one."""
    described = describe_settings(model)
    if backend is not None:
        described["settings"]["backend"] = backend
    return described


def describe_settings(thing: Any) -> dict[str, Any]:
    """``{"name": …, "settings": {…}}`` of a growth model or a design, JSON-ready.

    Settings are the fields of the dataclass, without those that cannot change a result (threads, progress); fields
    that are dataclasses themselves become mappings of theirs.

    Raises
    ------
    ParameterError
        If a setting cannot be written as JSON, so it could not be recorded.
    """
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    values = {
        field.name: getattr(thing, field.name)
        for field in fields
        if field.init and field.name not in _WITHOUT_INFLUENCE
    }
    settings = {
        name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
        for name, value in values.items()
    }
    try:
        return json.loads(json.dumps({"name": thing.name, "settings": settings}))
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{type(thing).__name__} cannot be recorded in a database: its settings must be plain numbers, texts and "
            f"lists of them ({error})."
        ) from error
