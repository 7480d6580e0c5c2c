"""Which series of a study is which image of a case: T1Gd, FLAIR, T1, T2, FET-PET.

Told by the words of the description and protocol, and by the times of the sequence; for T1 a contrast agent decides.
What does not speak for one image alone is not guessed: two series of a kind, or words against times, are refused with
the list, and the user names the series.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gliofield.errors import DicomError
from gliofield.radiotherapy.dicom.series import DicomSeries, listed, named_series

#: Images of a case, as `CaseFiles` calls them.
CONTRASTS = ("t1c", "flair", "t1", "t2", "pet")
LEAVE_OUT = "none"
# Maps, other contrasts and scouts, by words of description or protocol, or of the image type.
_OTHER = re.compile(
    r"adc|dwi|diff|dti|trace|b\s?1000|swi|t2\*|t2\s?star|hemo|perf|dsc|dce|asl|bold|fmri|tof|angio|mra\b|mrv\b|phase|"
    r"spectro|csi|svs|loc\b|localizer|scout|survey|screen\s?save|calib|b0\s?map|field\s?map|\bmip\b|subtract"
)
_OTHER_TYPES = {
    "LOCALIZER",
    "ADC",
    "TRACEW",
    "FA",
    "MIP",
    "PROJECTION IMAGE",
    "SUBTRACTION",
    "PERFUSION",
    "SCREEN SAVE",
}
_WORDS = {
    "flair": re.compile(r"flair|dark.?fl|tirm"),
    "t1": re.compile(r"t1|mp2?rage|spgr|bravo|fspgr|tfe"),
    "t2": re.compile(r"t2"),
}
_WITH_AGENT = re.compile(
    r"(?<![a-z])(gd|gad\w*|post|km|kontrast\w*|contrast|ce|c\+|\+c|mit|with|enhanced)(?![a-z])|t1(c|gd|ce)(?![a-z])|\+\s*c\b"
)
_WITHOUT_AGENT = re.compile(r"(?<![a-z])(pre|nativ\w*|without|ohne|non.?contrast|w/?o)(?![a-z])")
# Of the sequence [ms]: FLAIR nulls fluid, T2 weights by a long echo.
_FLAIR_INVERSION_MS, _LONG_ECHO_MS, _LONG_REPETITION_MS, _SHORT_ECHO_MS = 1500.0, 60.0, 2000.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What a series may be.

    Parameters
    ----------
    contrast : str or None
        One of `CONTRASTS`; None: none of them, or not to be told.
    reason : str
        Why, in a few words.
    """

    contrast: str | None
    reason: str


def guess_contrast(series: DicomSeries) -> Guess:
    """What a series may be, by its tags alone."""
    if series.modality == "PT":
        return Guess(contrast="pet", reason="PET")
    if series.modality == "CT":
        return Guess(contrast=None, reason="CT, which a case does not use")
    words = f"{series.text('SeriesDescription')} {series.text('ProtocolName')}".lower().replace("_", " ")
    types = {str(each).upper() for each in series.headers[0].get("ImageType") or ()}
    if _OTHER.search(words) or types & _OTHER_TYPES:
        return Guess(contrast=None, reason="another kind of image")
    spoken = next((name for name, pattern in _WORDS.items() if pattern.search(words)), None)
    timed = _by_times(series)
    if spoken is not None and timed is not None and spoken != timed:
        return Guess(contrast=None, reason=f"its description says {spoken}, its times say {timed}")
    kind = spoken or timed
    if kind is None:
        return Guess(contrast=None, reason="neither description nor times tell")
    if kind != "t1":
        return Guess(contrast=kind, reason="by its description" if spoken else "by its times")
    agent = series.text("ContrastBolusAgent").lower()
    has_agent = bool(agent) and agent not in ("none", "no")
    says_without, says_with = bool(_WITHOUT_AGENT.search(words)), bool(_WITH_AGENT.search(words))
    if says_without and (says_with or has_agent):
        return Guess(contrast=None, reason="T1, and its tags disagree about a contrast agent")
    return Guess(
        contrast="t1c" if has_agent or says_with else "t1", reason="T1, by its contrast agent or the lack of it"
    )


def assign_series(series: Sequence[DicomSeries], named: Mapping[str, str]) -> dict[str, DicomSeries]:
    """Series by image of a case.

    Parameters
    ----------
    series : sequence of DicomSeries
        All of a study.
    named : mapping of str to str
        What the user said: number or end of the UID of the series of an image, or ``none`` to leave the image out.

    Raises
    ------
    DicomError
        If there is no T1Gd, or an image that was not named could be several series; the message lists them.
    """
    chosen = {contrast: named_series(series, name) for contrast, name in named.items() if name != LEAVE_OUT}
    free = [each for each in series if each not in chosen.values()]
    guesses = {each.uid: guess_contrast(each) for each in free}
    for contrast in CONTRASTS:
        if contrast in named:
            continue
        found = [each for each in free if guesses[each.uid].contrast == contrast]
        if len(found) > 1:
            raise DicomError(
                f"{len(found)} series could be the {contrast}: name the one that is meant by its number "
                f"(--{contrast}), or {LEAVE_OUT} to leave the image out:\n{listed(found)}"
            )
        if found:
            chosen[contrast] = found[0]
    if "t1c" not in chosen:
        lines = "\n".join(f"  {each.label}: {guesses[each.uid].reason}" for each in free)
        raise DicomError(
            "no series can be told to be the T1Gd, on whose grid the case lies: name it by its number (--t1c). There "
            f"are:\n{lines or '  no images'}"
        )
    return {contrast: chosen[contrast] for contrast in CONTRASTS if contrast in chosen}


def _by_times(series: DicomSeries) -> str | None:
    """FLAIR, T1 or T2 by inversion, echo and repetition time; None where they are not given or say nothing."""
    inversion, echo, repetition = (_number(series, each) for each in ("InversionTime", "EchoTime", "RepetitionTime"))
    if echo is None or repetition is None:
        return None
    if inversion is not None and inversion >= _FLAIR_INVERSION_MS and echo >= _LONG_ECHO_MS:
        return "flair"
    if echo < _SHORT_ECHO_MS:
        return "t1"
    return "t2" if echo >= _LONG_ECHO_MS and repetition >= _LONG_REPETITION_MS else None


def _number(series: DicomSeries, keyword: str) -> float | None:
    try:
        return float(series.text(keyword))
    except ValueError:
        return None
