from gliofield.testing.growth_laws import (
    check_growth_model as check_growth_model,
)
from gliofield.testing.index_laws import (
    check_index as check_index,
)
from gliofield.testing.inverse_laws import (
    check_inverse_method as check_inverse_method,
)
from gliofield.testing.laws import (
    BrokenLawError as BrokenLawError,
)
from gliofield.testing.phantom_brain import (
    LESION_CENTER_MM as LESION_CENTER_MM,
    PHANTOM_GRID as PHANTOM_GRID,
    phantom_anatomy as phantom_anatomy,
    phantom_atlas as phantom_atlas,
    phantom_labels as phantom_labels,
    phantom_observation as phantom_observation,
    phantom_t1 as phantom_t1,
    phantom_tissue_maps as phantom_tissue_maps,
    phantom_tumor as phantom_tumor,
    write_phantom_patient as write_phantom_patient,
)
from gliofield.testing.phantom_database import (
    PhantomDesign as PhantomDesign,
    build_phantom_database as build_phantom_database,
)
