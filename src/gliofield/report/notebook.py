"""A result in a notebook: the overview picture, and a table of what was found."""

from __future__ import annotations

import base64
import html
import io

from gliofield.concern import verdict_in_words
from gliofield.pipeline.result import PersonalizationResult
from gliofield.report.result_folder import result_figure

_NUMBER = ".4g"


def result_html(result: PersonalizationResult) -> str:
    """Verdict, picture, table and concerns of a result as one piece of HTML; the picture is part of it."""
    figure, picture = result_figure(result), io.BytesIO()
    figure.savefig(picture, format="png", facecolor=figure.get_facecolor(), dpi=70)
    encoded = base64.b64encode(picture.getvalue()).decode("ascii")
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in _rows(result)
    )
    verdict = html.escape(verdict_in_words(result.concerns))
    concerns = "".join(f"<li>{each.level}: {html.escape(each.text)}</li>" for each in result.concerns)
    return (
        f'<div><p><b>{verdict}</b></p><img src="data:image/png;base64,{encoded}" style="max-width:100%" '
        f'alt="Density over the scan in three planes"/><table>{rows}</table><ul>{concerns}</ul>'
        "<p>For research use only; not a medical device.</p></div>"
    )


def _rows(result: PersonalizationResult) -> list[tuple[str, str]]:
    agreement = result.agreement_patient
    core = "no core" if agreement.dice_t1gd is None else format(agreement.dice_t1gd, ".2f")
    return [
        ("method", f"{result.method_name} (space: {result.settings['space']})"),
        ("Dice T1Gd", core),
        ("Dice FLAIR", format(agreement.dice_flair, ".2f")),
        *((name, format(value, _NUMBER)) for name, value in result.estimate.parameters.items()),
    ]
