"""The page about the papers: every command it names exists, with its options."""

import re
import shlex

import pytest
from markdown_blocks import understand
from repository import ROOT

PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"`(gliofield [^`]+)`", PAGE)))
# Groups that prose names, without an argument.
GROUPS = {"gliofield train", "gliofield papers train"}


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in GROUPS])
def test_a_command_of_the_page_is_understood(line):
    """Parsed, not run: an option that is gone, or a name that changed, fails here."""
    assert understand(shlex.split(line)[1:]) is None


def test_the_page_has_a_row_for_every_table_and_figure():
    """As many as the papers have: by section, the numbers of figures that its rows name."""
    wanted = {
        "Learn-Morph-Infer": range(1, 5),
        "Casting the inverse problem": range(1, 5),
        "Image retrieval": range(1, 19),
        "Real-time Bayesian": range(1, 12),
    }
    for title, figures in wanted.items():
        (part,) = re.findall(rf"^## {title}[^\n]*\n(.*?)(?=^## )", PAGE, flags=re.MULTILINE | re.DOTALL)
        cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("|")]
        named: set[int] = set()
        for cell in cells:
            for numbers in re.findall(r"Figs?\. ([\d, to]+)", cell.split("For-loop")[0] or cell):
                for low, high in re.findall(r"(\d+)(?: to (\d+))?", numbers):
                    named |= set(range(int(low), int(high or low) + 1))
        assert named >= set(figures), (title, sorted(set(figures) - named))
        assert len(COMMANDS) > 20
