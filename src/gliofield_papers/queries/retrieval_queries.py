"""What an evaluation of retrieval asks: real patients after registration, and held-out tumors of the database's design.

`held_out_tumors` draws synthetic queries as the papers did: from the database's own design and model, in the same
atlas, under another root seed, independently of each other (`matching_queries.IndependentDraws`). `register_patients`
brings real patients to the atlas by the steps of `personalize`, and keeps how long each took. Sets of other makings
(`matching_queries`) are brought to the database's grid by `on_grid_of`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gliofield.anatomy.atlas import Atlas
from gliofield.database import (
    DatabaseHeader,
    Design,
    LocalWorkers,
    SimulationDatabase,
    build_database,
    named_model,
)
from gliofield.database.designs import design_class, design_names
from gliofield.database.schema import describe_settings
from gliofield.database.workforce import Workforce
from gliofield.errors import (
    DatabaseError,
    GridMismatchError,
    ImageError,
    NumericalError,
    ParameterError,
    RegistrationError,
)
from gliofield.grid import Grid
from gliofield.growth import GrowthModel
from gliofield.imaging.observation import Observation
from gliofield.leftovers import scratch_folder
from gliofield.pipeline import (
    CaseFiles,
    PersonalizationSettings,
    observe_in_atlas,
    read_case,
    register_case,
)
from gliofield.progress import Reporter, StageClock, ignore_progress
from gliofield.registration import RegistrationResult
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.queries.matching_queries import REAL_GROUP, IndependentDraws, MatchingQueries

#: Group of the held-out tumors of the database's own design.
SYNTHETIC_GROUP = "synthetic"
DEFAULT_NUM_SYNTHETIC = 1000
#: Far from the root seeds of databases, 0 and up, and of `matching_queries`.
DEFAULT_SEED = 20_000
_ONE_PROCESS = LocalWorkers(1)
# Snapshots of one run are like each other.
_SINGLE: dict[str, Any] = {"snapshots_per_run": 1}
# What makes a single patient unusable.
_PATIENT_ERRORS = (ImageError, GridMismatchError, RegistrationError, NumericalError)
_MODEL_NAMES = {"fisher-kolmogorov": "fk", "mass-effect": "mass-effect"}


@dataclass(frozen=True, kw_only=True, eq=False)
class RegisteredPatient:
    """A patient in the atlas.

    Parameters
    ----------
    name : str
        Name of the folder.
    files : CaseFiles
        To read the patient again.
    registration : RegistrationResult
        From the patient to the atlas.
    seconds : mapping of str to float
        ``register`` and ``move masks to the atlas`` [s].
    """

    name: str
    files: CaseFiles
    registration: RegistrationResult
    seconds: Mapping[str, float]


def held_out_tumors(
    database: SimulationDatabase,
    atlas: Atlas,
    *,
    num_tumors: int = DEFAULT_NUM_SYNTHETIC,
    seed: int = DEFAULT_SEED,
    workers: Workforce = _ONE_PROCESS,
    report: Reporter = ignore_progress,
) -> MatchingQueries:
    """Tumors as a database holds them, but not among them.

    Parameters
    ----------
    database : SimulationDatabase
        Whose design, model, grid and domain are used.
    atlas : Atlas
        The atlas it was built in.
    num_tumors : int
        How many, ≥ 1.
    seed : int
        Root seed, another than the database's.
    workers : Workforce
        Who grows the tumors.
    report : Reporter
        Told about the build.

    Raises
    ------
    ParameterError
        If the seed is the database's, or its design or model is none that can be made from its name and settings.
    DatabaseError
        If the atlas is another one than the database's.
    """
    require_drawable(database, atlas, seed=seed)
    header = database.header
    design, model = IndependentDraws(design_of(header)), model_of(header)
    with scratch_folder() as scratch:
        grown = build_database(
            Path(scratch) / "database",
            num_tumors=num_tumors,
            design=design,
            atlas=atlas,
            grid=header.grid,
            domain_rule=header.domain_rule,
            model=model,
            seed=seed,
            workers=workers,
            report=report,
        )
        packed = PackedQueries.joined([_packed_tumor(grown, index, header) for index in range(num_tumors)])
    return MatchingQueries(
        names=tuple(f"{SYNTHETIC_GROUP}-{index}" for index in range(num_tumors)),
        groups=(SYNTHETIC_GROUP,) * num_tumors,
        packed=packed,
        settings={SYNTHETIC_GROUP: _origin(header, seed)},
    )


def require_drawable(
    database: SimulationDatabase, atlas: Atlas, *, seed: int = DEFAULT_SEED, compare: SimulationDatabase | None = None
) -> None:
    """Raise what `held_out_tumors` would, and if its tumors are not held out of a second database either."""
    header = database.header
    if seed == header.root_seed:
        raise ParameterError(
            f"seed {seed} is the root seed of the database, so the tumors would not be held out. Choose another one."
        )
    require_atlas_of(header, atlas)
    design_of(header)
    model_of(header)
    if compare is not None:
        _require_other_seed(compare.header, SYNTHETIC_GROUP, _origin(header, seed))


def design_of(header: DatabaseHeader) -> Design:
    """The design a database was drawn from, with one snapshot per run.

    Raises
    ------
    ParameterError
        If its name is unknown, or its settings are not those of a design of this version.
    """
    name, settings = str(header.design["name"]), header.design["settings"]
    if name not in design_names():
        raise ParameterError(_not_drawn(f"its design {name!r} is none of {sorted(design_names())}"))
    given = {key: _as_tuples(value) for key, value in settings.items()}
    try:
        design: Design = design_class(name)(**{**given, **_SINGLE})
    except (TypeError, ParameterError) as error:
        raise ParameterError(_not_drawn(f"the settings of its design {name!r} do not fit ({error})")) from error
    return design


def model_of(header: DatabaseHeader) -> GrowthModel[Any]:
    """The growth model of a database on the CPU, as databases use it.

    Raises
    ------
    ParameterError
        If it is none that databases are built with, or has other settings.
    """
    name = str(header.model["name"])
    if name not in _MODEL_NAMES:
        raise ParameterError(_not_drawn(f"its growth model {name!r} is none of {sorted(_MODEL_NAMES)}"))
    model = named_model(_MODEL_NAMES[name])
    own, stored = describe_settings(model)["settings"], dict(header.model["settings"])
    # Back ends agree to rounding.
    differing = [key for key in own | stored if key != "backend" and own.get(key) != stored.get(key)]
    if differing:
        raise ParameterError(_not_drawn(f"its model {name!r} has other settings ({', '.join(sorted(differing))})"))
    return model


def require_atlas_of(header: DatabaseHeader, atlas: Atlas) -> None:
    """Raise `DatabaseError` unless the database was built in this atlas."""
    if header.atlas_hash != atlas.content_hash:
        raise DatabaseError(
            f"the database was built in another atlas ({header.atlas_name}, content hash {header.atlas_hash[:12]}…) "
            f"than {atlas.name} ({atlas.content_hash[:12]}…). Name its atlas by --atlas."
        )


def register_patients(
    database: SimulationDatabase,
    atlas: Atlas,
    patients: Mapping[str, CaseFiles],
    *,
    settings: PersonalizationSettings,
    report: Reporter = ignore_progress,
) -> tuple[MatchingQueries | None, tuple[RegisteredPatient, ...], dict[str, str]]:
    """Real patients as queries, by the registration and mask rule of `personalize`, each timed.

    A patient that cannot be read or registered, or of whose tumor nothing is left in the atlas, is left out.

    Parameters
    ----------
    database : SimulationDatabase
        Whose grid is used.
    atlas : Atlas
        The atlas it was built in.
    patients : mapping of str to CaseFiles
        Files of each patient by name, at least one.
    settings : PersonalizationSettings
        Registration.
    report : Reporter
        Told about the registrations.

    Returns
    -------
    queries : MatchingQueries or None
        In the order of `patients`; None if all were left out.
    registered : tuple of RegisteredPatient
        The same patients.
    left_out : dict of str to str
        Why others were left out, by name.

    Raises
    ------
    ParameterError
        If there is no patient.
    DatabaseError
        If the atlas is another one than the database's.
    """
    if not patients:
        raise ParameterError("patients is empty: expected at least one.")
    require_atlas_of(database.header, atlas)
    grid = database.header.grid
    packed, registered, left_out = list[PackedQueries](), list[RegisteredPatient](), dict[str, str]()
    for name, files in patients.items():
        try:
            query, patient = _registered(name, files, atlas, grid, settings, report)
        except _PATIENT_ERRORS as error:
            left_out[name] = str(error)
            continue
        packed.append(query)
        registered.append(patient)
    if not registered:
        return None, (), left_out
    queries = MatchingQueries(
        names=tuple(patient.name for patient in registered),
        groups=(REAL_GROUP,) * len(packed),
        packed=PackedQueries.joined(packed),
        settings={REAL_GROUP: {"registration": settings.registration, "deterministic": settings.deterministic}},
    )
    return queries, tuple(registered), left_out


def on_grid_of(database: SimulationDatabase, queries: MatchingQueries) -> MatchingQueries:
    """The queries on the grid of a database, by the mask rule.

    Raises
    ------
    ParameterError
        If nothing of a query is left there.
    """
    grid = database.header.grid
    if queries.packed.grid.is_same_as(grid):
        return queries
    parts = [PackedQueries.pack([queries.packed.query(row)], grid) for row in range(len(queries.packed))]
    return dataclasses.replace(queries, packed=PackedQueries.joined(parts))


def with_synthetic_renamed(queries: MatchingQueries, suffix: str) -> MatchingQueries:
    """The queries with the group ``synthetic``, if there is one, named after its design, its model and a suffix.

    What an earlier evaluation drew from another database, or under another seed, is not this one's synthetic group.
    """
    if SYNTHETIC_GROUP not in queries.groups:
        return queries
    settings = dict(queries.settings)
    origin = settings.pop(SYNTHETIC_GROUP, {})
    made_of = [name for name in (_name_of(origin.get("design")), _name_of(origin.get("model"))) if name]
    new = ", ".join([*map(str, made_of), suffix])
    own = [group == SYNTHETIC_GROUP for group in queries.groups]
    return MatchingQueries(
        names=tuple(f"{new}: {name}" if is_own else name for name, is_own in zip(queries.names, own, strict=True)),
        groups=tuple(new if is_own else group for group, is_own in zip(queries.groups, own, strict=True)),
        packed=queries.packed,
        settings={**settings, new: origin},
    )


def is_drawn_from(queries: MatchingQueries, header: DatabaseHeader) -> bool:
    """Whether the group ``synthetic`` is of the design and the model of a database, or there is none."""
    origin = queries.settings.get(SYNTHETIC_GROUP, {})
    if SYNTHETIC_GROUP not in queries.groups:
        return True
    return origin.get("design") == dict(header.design) and origin.get("model") == dict(header.model)


def require_distinct_names(names: Sequence[str]) -> None:
    """Raise `ParameterError` if two queries have one name, as when a patient or a file is given twice."""
    twice = sorted(name for name, number in Counter(names).items() if number > 1)
    if twice:
        raise ParameterError(f"queries must have names of their own, got {', '.join(twice[:5])} more than once.")


def require_held_out(database: SimulationDatabase, queries: MatchingQueries) -> None:
    """Raise `ParameterError` if a group of the queries has the design and the root seed of the database."""
    for group, settings in queries.settings.items():
        _require_other_seed(database.header, group, settings)


def _require_other_seed(header: DatabaseHeader, group: str, settings: Any) -> None:
    if not isinstance(settings, Mapping) or settings.get("seed") != header.root_seed:
        return
    if header.design["name"] in (group, _name_of(settings.get("design"))):
        raise ParameterError(
            f"the queries {group!r} have the design and the root seed {header.root_seed} of the database, so they "
            "are not held out. Make them with another seed."
        )


def _origin(header: DatabaseHeader, seed: int) -> dict[str, Any]:
    """What a set of queries says of its held-out tumors."""
    return {"design": dict(header.design), "model": dict(header.model), "seed": seed}


def _registered(
    name: str, files: CaseFiles, atlas: Atlas, grid: Grid, settings: PersonalizationSettings, report: Reporter
) -> tuple[PackedQueries, RegisteredPatient]:
    case = read_case(files)
    clock = StageClock(report)
    with clock.stage("register"):
        registration = register_case(case, atlas, settings, report)
    with clock.stage("move masks to the atlas"):
        observation = observe_in_atlas(case, atlas, registration.transform, settings, grid=grid)
    query = PackedQueries.pack([observation], grid)
    return query, RegisteredPatient(name=name, files=files, registration=registration, seconds=clock.seconds)


def _name_of(design: Any) -> Any:
    return design.get("name") if isinstance(design, Mapping) else None


def _packed_tumor(grown: SimulationDatabase, index: int, header: DatabaseHeader) -> PackedQueries:
    levels, at = grown.density_levels(index), header.threshold_levels
    query = Observation(tumor_core=levels > at["t1gd"], whole_tumor=levels > at["flair"], grid=header.grid)
    return PackedQueries.pack([query], header.grid)


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def _not_drawn(reason: str) -> str:
    return (
        f"held-out tumors of the database cannot be drawn: {reason}. Pass --synthetic 0, and other held-out tumors by "
        "--queries."
    )
