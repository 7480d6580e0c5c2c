from gliofield.virtual.brain import (
    Resolution as Resolution,
    virtual_tissue_maps as virtual_tissue_maps,
)
from gliofield.virtual.demonstration import (
    DemoOutcome as DemoOutcome,
    run_demo as run_demo,
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
