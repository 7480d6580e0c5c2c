from gliofield.cohort.bids_dataset import (
    BidsChoice as BidsChoice,
)
from gliofield.cohort.comparison import (
    compare_cohorts as compare_cohorts,
)
from gliofield.cohort.follow_up import (
    FollowUp as FollowUp,
    FollowUpSettings as FollowUpSettings,
    score_follow_up as score_follow_up,
    write_follow_up as write_follow_up,
)
from gliofield.cohort.patients import (
    CohortPatient as CohortPatient,
    CohortSource as CohortSource,
    find_cohort as find_cohort,
)
from gliofield.cohort.run import (
    CohortResult as CohortResult,
    CohortRun as CohortRun,
    run_cohort as run_cohort,
)
from gliofield.cohort.table import (
    read_table as read_table,
)
