from gliofield.virtual.brain import (
    Resolution as Resolution,
    virtual_tissue_maps as virtual_tissue_maps,
)
from gliofield.virtual.cohort_files import (
    CohortCase as CohortCase,
    read_cohort as read_cohort,
    write_cohort as write_cohort,
)
from gliofield.virtual.cohort_patient import (
    GrownPatient as GrownPatient,
    grow_cohort_patient as grow_cohort_patient,
)
from gliofield.virtual.demonstration import (
    DemoOutcome as DemoOutcome,
    run_demo as run_demo,
)
from gliofield.virtual.design import (
    CohortPatient as CohortPatient,
    DrawnTumor as DrawnTumor,
    cohort_design as cohort_design,
)
from gliofield.virtual.patient import (
    VirtualPatient as VirtualPatient,
    VirtualTumor as VirtualTumor,
    make_virtual_patient as make_virtual_patient,
    write_virtual_patient as write_virtual_patient,
)
from gliofield.virtual.score import (
    TruthScore as TruthScore,
    score_against_truth as score_against_truth,
)
