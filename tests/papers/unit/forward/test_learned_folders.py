"""The folders of figures of learned methods: whole or not at all, and never in the place of something else."""

import json

import pytest
from made_up_evaluations import inverse_evaluation, method_answer, surrogate_evaluation, tumor_at_times
from phantom_brain import phantom_atlas

from gliofield.errors import OutputError
from gliofield_papers.forward import folder as forward_folder
from gliofield_papers.forward.folder import write_surrogate_figures
from gliofield_papers.inverse import folder as inverse_folder
from gliofield_papers.inverse.folder import write_inverse_figures

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=5.0, shape=(28, 34, 26))


def write_inverse(folder, *, answers=(), force=False):
    return write_inverse_figures(inverse_evaluation(), folder, atlas=ATLAS, grid=GRID, answers=answers, force=force)


def write_surrogate(folder, *, force=False):
    tumor = tumor_at_times(["poor.safetensors"])
    return write_surrogate_figures(surrogate_evaluation([0.2, 0.4]), folder, tumor=tumor, force=force)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_inverse_folder_holds_pictures_and_numbers(tmp_path):
    """Pairs with answers only; slices are not among the numbers."""
    assert write_inverse(tmp_path / "bare") == ()
    assert write_inverse(tmp_path / "full", answers=[method_answer("one", "query")]) == ()

    assert names_in(tmp_path / "bare") == ["errors.png", "inverse.json"]
    assert names_in(tmp_path / "full") == ["errors.png", "inverse.json", "pairs.png"]
    assert all((tmp_path / "full" / name).stat().st_size > 10_000 for name in ("errors.png", "pairs.png"))
    content = json.loads((tmp_path / "full" / "inverse.json").read_text(encoding="utf-8"))
    assert content["methods"][0]["agreement"] == {"dice_t1gd": 0.25, "dice_flair": 0.75}
    assert "axial_slice" not in content["methods"][0]


def test_a_surrogate_folder_holds_the_values_of_each_tumor(tmp_path):
    """Behind the histograms; undefined ones are null."""
    assert write_surrogate(tmp_path / "figures") == ()

    assert names_in(tmp_path / "figures") == ["dice.png", "errors.png", "losses.png", "surrogate.json", "times.png"]
    content = json.loads((tmp_path / "figures" / "surrogate.json").read_text(encoding="utf-8"))
    assert [error["dice"]["0.2"] for error in content["scores"][0]["errors"]] == [0.2, 0.4]
    assert content["scores"][0]["errors"][0]["published"]["csf"] is None


@pytest.mark.parametrize("write", [write_inverse, write_surrogate])
def test_an_older_folder_is_replaced_with_force_only(tmp_path, write, monkeypatch):
    """And one of another kind never."""
    for module in (forward_folder, inverse_folder):
        monkeypatch.setattr(module, "write_pictures", lambda folder, pictures: ())
    write(tmp_path / "figures")
    with pytest.raises(OutputError, match="exists and is not empty"):
        write(tmp_path / "figures")
    write(tmp_path / "figures", force=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "errors.png").write_text("years of work")
    with pytest.raises(OutputError, match="not written by this command"):
        write(tmp_path / "thesis", force=True)

    assert names_in(tmp_path) == ["figures", "thesis"]


def test_a_picture_that_cannot_be_drawn_is_a_note(tmp_path, monkeypatch):
    """The others and the numbers are written."""

    def fail(evaluation):
        raise ValueError("no ink")

    monkeypatch.setattr(forward_folder, "surrogate_dice_figure", fail)

    assert write_surrogate(tmp_path / "figures") == ("not drawn: dice.png (ValueError: no ink)",)
    assert names_in(tmp_path / "figures") == ["errors.png", "losses.png", "surrogate.json", "times.png"]
