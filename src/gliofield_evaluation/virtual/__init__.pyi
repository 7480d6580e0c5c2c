from gliofield_evaluation.virtual.cohort_files import (
    CohortCase as CohortCase,
    read_cohort as read_cohort,
    write_cohort as write_cohort,
)
from gliofield_evaluation.virtual.cohort_patient import (
    GrownPatient as GrownPatient,
    grow_cohort_patient as grow_cohort_patient,
)
from gliofield_evaluation.virtual.design import (
    CohortPatient as CohortPatient,
    DrawnTumor as DrawnTumor,
    cohort_design as cohort_design,
)
