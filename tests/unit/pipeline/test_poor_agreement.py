"""What a result says when its tumor is not the tumor of the masks."""

from gliofield.metrics import MaskAgreement
from gliofield.pipeline.run import _poor_agreement


def test_an_answer_that_does_not_show_the_tumor_says_so():
    """One sentence per mask whose Dice in the atlas is below 0.3; a missing core is no disagreement."""
    (core,) = _poor_agreement(MaskAgreement(dice_t1gd=0.0, dice_flair=0.7))
    assert core.text.startswith("Poor match: the predicted core (T1Gd) overlaps the segmented one by Dice 0.00")
    assert len(_poor_agreement(MaskAgreement(dice_t1gd=0.1, dice_flair=0.29))) == 2
    assert _poor_agreement(MaskAgreement(dice_t1gd=None, dice_flair=0.3)) == ()
