from gliofield.pipeline.assimilate_method import (
    AssimilateMethod as AssimilateMethod,
)
from gliofield.pipeline.case import (
    Case as Case,
    CaseFiles as CaseFiles,
    find_case_files as find_case_files,
    read_case as read_case,
)
from gliofield.pipeline.default_database import (
    default_database_path as default_database_path,
    open_database as open_database,
)
from gliofield.pipeline.demonstration import (
    DemoOutcome as DemoOutcome,
    run_demo as run_demo,
)
from gliofield.pipeline.density_posterior import (
    DensityPosterior as DensityPosterior,
)
from gliofield.pipeline.distance_methods import (
    DistanceMethod as DistanceMethod,
    MarginMethod as MarginMethod,
)
from gliofield.pipeline.first_use import (
    CacheContent as CacheContent,
    setup_everything as setup_everything,
)
from gliofield.pipeline.infer_method import (
    InferMethod as InferMethod,
)
from gliofield.pipeline.input_checks import (
    InputChecks as InputChecks,
    check_case as check_case,
    check_input as check_input,
)
from gliofield.pipeline.method_options import (
    Assimilate as Assimilate,
    DEFAULT_METHOD as DEFAULT_METHOD,
    Distance as Distance,
    Infer as Infer,
    METHOD_OPTIONS as METHOD_OPTIONS,
    Margin as Margin,
    MethodOptions as MethodOptions,
    Query as Query,
    Sample as Sample,
    WholeMargin as WholeMargin,
    options_named as options_named,
)
from gliofield.pipeline.methods import (
    prepare_method as prepare_method,
)
from gliofield.pipeline.query_method import (
    QueryMethod as QueryMethod,
)
from gliofield.pipeline.query_posterior import (
    QueryWithPosterior as QueryWithPosterior,
)
from gliofield.pipeline.regrowth import (
    regrow as regrow,
)
from gliofield.pipeline.result import (
    PersonalizationResult as PersonalizationResult,
)
from gliofield.pipeline.run import (
    density_in_patient as density_in_patient,
    observe as observe,
    observe_in_atlas as observe_in_atlas,
    personalize as personalize,
    register_case as register_case,
)
from gliofield.pipeline.sample_method import (
    SampleMethod as SampleMethod,
    SampleSettings as SampleSettings,
)
from gliofield.pipeline.settings import (
    PersonalizationSettings as PersonalizationSettings,
)
from gliofield.pipeline.spaces import (
    PatientSpace as PatientSpace,
    make_space as make_space,
    patient_grid as patient_grid,
)
from gliofield.pipeline.tumor_coverage import (
    Focus as Focus,
    TumorCoverage as TumorCoverage,
    measure_coverage as measure_coverage,
)
from gliofield.pipeline.virtual_patient import (
    TruthScore as TruthScore,
    VirtualPatient as VirtualPatient,
    VirtualTumor as VirtualTumor,
    make_virtual_patient as make_virtual_patient,
    score_against_truth as score_against_truth,
    virtual_tissue_maps as virtual_tissue_maps,
    write_virtual_patient as write_virtual_patient,
)
