"""Tables of ``gliofield papers surrogate``, from made-up results."""

import dataclasses

from made_up_evaluations import surrogate_evaluation

from gliofield_papers.errors_by_tissue import MeanValue
from gliofield_papers.forward.tables import surrogate_report


def lines_of(text, title):
    """Cells of the table below a heading, header first."""
    section = text.split(f"### {title}\n")[1].split("\n###")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_model_and_network_have_columns_of_their_own():
    """The paper's means are of the network, and stand below it alone."""
    evaluation = surrogate_evaluation([0.5])
    raw = dict.fromkeys((0.2, 0.4, 0.8), MeanValue.of([0.3, float("nan")]))
    score = dataclasses.replace(evaluation.scores[0], network_dice=raw)
    header, own, paper, _ = lines_of(surrogate_report(dataclasses.replace(evaluation, scores=(score,))), "Dice")

    assert header[3:] == ["0.2", "0.4", "0.8", "network 0.2", "network 0.4", "network 0.8"]
    assert own[3:] == ["0.100 ± -"] * 3 + ["0.300 ± - (1)"] * 3
    assert paper[3:] == ["-"] * 3 + ["0.821", "0.813", "0.815"]


def test_the_error_in_csf_is_said_to_be_of_the_network():
    """The heading of its column."""
    assert lines_of(surrogate_report(surrogate_evaluation([0.5])), "Mean absolute error")[0] == [
        "surrogate", "WM", "GM", "CSF, network alone", "either tumor",
    ]  # fmt: skip


def test_the_number_of_threads_is_said():
    """That of solver and networks, singular and plural."""
    evaluation = surrogate_evaluation([0.5])

    assert "solver and networks with 1 thread. " in surrogate_report(evaluation)
    assert "solver and networks with 2 threads. " in surrogate_report(dataclasses.replace(evaluation, num_threads=2))


def test_batches_of_the_network_stand_against_batches_of_the_solver_on_a_device():
    """Where there are any; single tumors against single ones."""
    text = surrogate_report(surrogate_evaluation([0.5], device="cuda", solver_batched_s=0.02))
    header, values = lines_of(text, "Seconds per tumor")

    assert "solver with 1 thread of the processor, networks on cuda" in text
    assert dict(zip(header[1:], values[1:], strict=True)) == {
        "single [s]": "0.1", "batched [s]": "0.1", "solver [s]": "0.1", "solver batched [s]": "0.02",
        "single / solver": "1", "batched / solver batched": "5",
    }  # fmt: skip
    assert "solver batched" not in surrogate_report(surrogate_evaluation([0.5]))
