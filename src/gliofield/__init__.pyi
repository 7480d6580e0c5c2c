from gliofield.anatomy import (
    AtlasSpace as AtlasSpace,
    load_atlas as load_atlas,
)
from gliofield.concern import (
    Concern as Concern,
)
from gliofield.database import (
    build_database as build_database,
)
from gliofield.errors import (
    GliofieldError as GliofieldError,
)
from gliofield.grid import (
    Grid as Grid,
)
from gliofield.growth import (
    FisherKolmogorov as FisherKolmogorov,
    FisherKolmogorovParameters as FisherKolmogorovParameters,
    MassEffect as MassEffect,
    MassEffectParameters as MassEffectParameters,
    simulate as simulate,
)
from gliofield.imaging import (
    Estimate as Estimate,
    Observation as Observation,
    VisibilityThresholds as VisibilityThresholds,
)
from gliofield.nifti import (
    read_volume as read_volume,
    write_volume as write_volume,
)
from gliofield.pipeline import (
    Assimilate as Assimilate,
    Distance as Distance,
    Infer as Infer,
    Margin as Margin,
    PersonalizationSettings as PersonalizationSettings,
    Query as Query,
    Sample as Sample,
    WholeMargin as WholeMargin,
    open_database as open_database,
    personalize as personalize,
    read_case as read_case,
)
from gliofield.retrieval import (
    search as search,
)
from gliofield.virtual import (
    make_virtual_patient as make_virtual_patient,
)
from gliofield.volume import (
    Volume as Volume,
)

__version__: str
