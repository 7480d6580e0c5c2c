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
from gliofield.pipeline.density_posterior import (
    DensityPosterior as DensityPosterior,
    MemberDensities as MemberDensities,
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
    PluggedMethod as PluggedMethod,
    Query as Query,
    Sample as Sample,
    WholeMargin as WholeMargin,
    method_names as method_names,
    options_named as options_named,
)
from gliofield.pipeline.methods import (
    prepare_method as prepare_method,
)
from gliofield.pipeline.patient_folders import (
    find_patients as find_patients,
)
from gliofield.pipeline.query_method import (
    QueryMethod as QueryMethod,
)
from gliofield.pipeline.query_posterior import (
    QueryWithPosterior as QueryWithPosterior,
)
from gliofield.pipeline.rankings import (
    OutlineRankings as OutlineRankings,
    RankedRegion as RankedRegion,
    Rankings as Rankings,
    rank_outlines as rank_outlines,
    rank_targets as rank_targets,
    target_priority as target_priority,
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
from gliofield.pipeline.tumor_box import (
    TumorBox as TumorBox,
)
from gliofield.pipeline.tumor_coverage import (
    Focus as Focus,
    TumorCoverage as TumorCoverage,
    measure_coverage as measure_coverage,
)
