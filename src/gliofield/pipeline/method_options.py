"""The inverse methods by name, each with the settings a user may choose.

An options object is light: it names a database or a checkpoint by path and loads nothing. `prepare_method` makes the
method of it, ready to be asked. The command line takes its options from these classes. Further methods come from other
packages, by entry points of the group ``gliofield.methods`` (`gliofield.plugins`) that name classes of `PluggedMethod`.

==================  ==================================================================================================
``assimilate``      growth fitted in the patient's own brain and corrected to both outlines: the default
``query``           the best match in a database of simulated tumors (the papers' direct query)
``infer``           a network reads the growth parameters off the masks, the solver grows that tumor
``sample``          the posterior of all growth parameters, by importance sampling
``margin``          control: distance to the tumor core
``whole-margin``    control: distance to the whole tumor
``distance``        control: distances to both outlines, through both thresholds
==================  ==================================================================================================
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from gliofield.errors import ParameterError, PluginError, unknown_name
from gliofield.plugins import find_plugins, load_plugin

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.imaging import InverseMethod
    from gliofield.pipeline.settings import PersonalizationSettings
    from gliofield.progress import Reporter

PriorName = Literal["paper", "patient"]
_PRIORS: tuple[PriorName, ...] = ("paper", "patient")
PetModelName = Literal["background", "paper"]
_PET_MODELS: tuple[PetModelName, ...] = ("background", "paper")
# Members of an ensemble: twice as many say the same within a few percent, and take 20 s of two cores.
_NUM_MEMBERS = 64


@dataclass(frozen=True, kw_only=True)
class Query:
    """Options of method ``query``.

    Parameters
    ----------
    database : Path or None
        Simulation database; the default is one of 5,000 tumors, built once and kept in the user's cache.
    index : str
        How the database is searched.
    checkpoint : Path or None
        Trained networks, for the indexes ae, vae and hash.
    num_candidates : int
        How many of the best matches are kept in the result.
    num_densities : int
        Of how many of them the densities are kept too.
    posterior : bool
        Add the uncertainty that the database allows.
    tempering_exponent : float or None
        Its tempering exponent in (0, 1]; the default is the largest that the database can carry.
    prior : {"paper", "patient"}
        Prior of the uncertainty.
    pet_model : {"background", "paper"}
        Whether healthy tissue takes up tracer and the scanner blurs, or, as in the paper, neither.
    pet_fwhm_mm : float
        Resolution of the PET, full width at half maximum [mm]; 0 for images that are sharp.
    correlation_length_mm : float
        Distance over which residuals are alike [mm]; 0 takes voxels for independent.

    Raises
    ------
    ParameterError
        If a number is out of range, or an option of the uncertainty is given without it.
    """

    name: ClassVar[str] = "query"
    summary: ClassVar[str] = "the best match in a database of simulated tumors"

    database: Path | None = None
    index: str = "exact"
    checkpoint: Path | None = None
    num_candidates: int = 15
    num_densities: int = 0
    posterior: bool = False
    tempering_exponent: float | None = None
    prior: PriorName = "paper"
    pet_model: PetModelName = "background"
    pet_fwhm_mm: float = 5.0
    correlation_length_mm: float = 3.0

    def __post_init__(self) -> None:
        if self.num_candidates < 1:
            raise ParameterError(f"num_candidates must be at least 1, got {self.num_candidates}.")
        if not 0 <= self.num_densities <= self.num_candidates:
            raise ParameterError(
                f"num_densities must lie between 0 and num_candidates = {self.num_candidates}, got "
                f"{self.num_densities}."
            )
        _require_prior(self.prior)
        _require_pet_model(self.pet_model)
        if not self.posterior:
            defaults = {"tempering_exponent": None, "prior": "paper", "pet_model": "background"}
            for name, default in {**defaults, "pet_fwhm_mm": 5.0, "correlation_length_mm": 3.0}.items():
                if getattr(self, name) != default:
                    raise ParameterError(
                        f"{name} has no effect without the posterior: set posterior too, or leave it out."
                    )


@dataclass(frozen=True, kw_only=True)
class Infer:
    """Options of method ``infer``.

    Parameters
    ----------
    checkpoint : Path or None
        Trained networks; the default is the small network that comes with gliofield.
    """

    name: ClassVar[str] = "infer"
    summary: ClassVar[str] = "a network reads the growth parameters off the masks"

    checkpoint: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Options of method ``sample``.

    Parameters
    ----------
    num_samples : int
        Effective samples of the posterior.
    preset : {"default", "paper"}
        Importance sampling with imaging integrated out; or, as published, 2,048 samples of TMCMC with independent
        voxels and the paper's model of PET.
    prior : {"paper", "patient"}
        Prior of the growth parameters.
    pet_model : {"background", "paper"}
        Whether healthy tissue takes up tracer and the scanner blurs, or, as in the paper, neither.
    pet_fwhm_mm : float
        Resolution of the PET, full width at half maximum [mm]; 0 for images that are sharp.
    correlation_length_mm : float
        Distance over which residuals are alike [mm]; 0 takes voxels for independent.
    stage_file : Path or None
        File written after each batch, from which a stopped run resumes; implies a deterministic run.
    device : {"cpu", "cuda"}
        Where tumors grow; cuda grows them in batches on a GPU.

    Raises
    ------
    ParameterError
        If a number is out of range, or an option is given that the preset decides.
    """

    name: ClassVar[str] = "sample"
    summary: ClassVar[str] = "the posterior of all growth parameters"

    num_samples: int = 500
    preset: Literal["default", "paper"] = "default"
    prior: PriorName = "paper"
    pet_model: PetModelName = "background"
    pet_fwhm_mm: float = 5.0
    correlation_length_mm: float = 3.0
    stage_file: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        if self.num_samples < 10:
            raise ParameterError(f"num_samples must be at least 10, got {self.num_samples}.")
        for name, known in (("device", ("cpu", "cuda")), ("preset", ("default", "paper"))):
            if getattr(self, name) not in known:
                raise ParameterError(unknown_name(name, getattr(self, name), known))
        _require_prior(self.prior)
        _require_pet_model(self.pet_model)
        decided = {"num_samples": 500, "pet_model": "background", "pet_fwhm_mm": 5.0, "correlation_length_mm": 3.0}
        for name, default in decided.items():
            if self.preset == "paper" and getattr(self, name) != default:
                raise ParameterError(f"{name} is decided by the preset paper: leave one of the two out.")


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Options of the control ``margin``.

    Parameters
    ----------
    margin_mm : float
        Distance from the tumor core at which the density has fallen to the FLAIR threshold [mm].
    """

    name: ClassVar[str] = "margin"
    summary: ClassVar[str] = "control: distance to the tumor core"

    margin_mm: float = 15.0

    def __post_init__(self) -> None:
        _require_positive("margin_mm", self.margin_mm)


@dataclass(frozen=True, kw_only=True)
class WholeMargin:
    """Options of the control ``whole-margin``.

    Parameters
    ----------
    margin_mm : float
        Distance from the whole tumor at which the density has fallen to the FLAIR threshold [mm].
    """

    name: ClassVar[str] = "whole-margin"
    summary: ClassVar[str] = "control: distance to the whole tumor"

    margin_mm: float = 15.0

    def __post_init__(self) -> None:
        _require_positive("margin_mm", self.margin_mm)


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Options of the control ``distance``.

    Parameters
    ----------
    decay_length_mm : float
        Length over which the density falls by a factor e outside the whole tumor [mm].
    """

    name: ClassVar[str] = "distance"
    summary: ClassVar[str] = "control: distances to both outlines"

    decay_length_mm: float = 3.0

    def __post_init__(self) -> None:
        _require_positive("decay_length_mm", self.decay_length_mm)


@dataclass(frozen=True, kw_only=True)
class Assimilate:
    """Options of method ``assimilate``.

    Parameters
    ----------
    isotropic : bool
        Keep diffusion alike along all axes, instead of fitting a global tensor.
    uncertainty : bool
        Add mean, standard deviation and P(u > threshold) over what may be so, and the interval of the cells outside the
        core.
    num_members : int
        Densities that the uncertainty is made of.

    Raises
    ------
    ParameterError
        If a number is out of range, or given without the uncertainty.
    """

    name: ClassVar[str] = "assimilate"
    summary: ClassVar[str] = "growth in the patient's own brain, corrected to both outlines"

    isotropic: bool = False
    uncertainty: bool = False
    num_members: int = _NUM_MEMBERS

    def __post_init__(self) -> None:
        if self.num_members < 2:
            raise ParameterError(f"num_members must be at least 2, got {self.num_members}.")
        if self.num_members != _NUM_MEMBERS and not self.uncertainty:
            raise ParameterError("num_members has no effect without the uncertainty: set it too, or leave it out.")


@runtime_checkable
class PluggedMethod(Protocol):
    """Options of a method from another package: a frozen dataclass, whose fields are options of the command line.

    Attributes
    ----------
    name : str
        The name of the method, that of its entry point.
    summary : str
        What it does, in a few words.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]
    summary: ClassVar[str]

    def prepare(self, *, atlas: Atlas, settings: PersonalizationSettings, report: Reporter) -> InverseMethod:
        """The method, ready to be asked about patients in the atlas."""
        ...


MethodOptions = Assimilate | Query | Infer | Sample | Margin | WholeMargin | Distance | PluggedMethod

DEFAULT_METHOD = "assimilate"
_KIND = "method"
METHOD_OPTIONS: dict[str, type[Any]] = {
    options.name: options for options in (Assimilate, Query, Infer, Sample, Margin, WholeMargin, Distance)
}


def method_names() -> tuple[str, ...]:
    """Names of all inverse methods: gliofield's own, then those of other packages."""
    return (*METHOD_OPTIONS, *find_plugins(_KIND, own=METHOD_OPTIONS))


def options_class(name: str) -> type[Any]:
    """Class of the options of a method.

    Raises
    ------
    ParameterError
        If there is no such method.
    PluginError
        If the package that offers it cannot be loaded, or offers something else.
    """
    if name in METHOD_OPTIONS:
        return METHOD_OPTIONS[name]
    found = load_plugin(_KIND, name, own=METHOD_OPTIONS)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found) and hasattr(found, "prepare")):
        raise PluginError(
            f"method {name!r} of {find_plugins(_KIND)[name].origin} is {found!r}: expected a dataclass of options with "
            "name, summary and prepare(*, atlas, settings, report)."
        )
    return found


def options_named(name: str) -> MethodOptions:
    """Default options of a method; errors as `options_class`."""
    options: MethodOptions = options_class(name)()
    return options


def uses_pet(options: MethodOptions) -> bool:
    """Whether a method compares FET-PET, where it was taken."""
    return isinstance(options, Assimilate | Sample) or (isinstance(options, Query) and options.posterior)


def _require_prior(prior: str) -> None:
    if prior not in _PRIORS:
        raise ParameterError(unknown_name("prior", prior, _PRIORS))


def _require_pet_model(pet_model: str) -> None:
    if pet_model not in _PET_MODELS:
        raise ParameterError(unknown_name("pet_model", pet_model, _PET_MODELS))


def _require_positive(name: str, value: float) -> None:
    if not 0.0 < value < float("inf"):
        raise ParameterError(f"{name} must be finite and > 0 [mm], got {value}.")
