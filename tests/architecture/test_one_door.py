"""What is decided in one place stays there: kinds of growth models, and the way to a GPU."""

import ast

import pytest
from repository import EVALUATION, PAPERS, SOURCE, TRAINING, imported_modules, module_name, parsed, source_files


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_kinds_of_growth_models_are_told_apart_inside_growth_alone(path):
    """Elsewhere `needs_of` says what a model needs, and `moved_tissue` what a solution has."""
    name = module_name(path)
    asked = [
        ast.unparse(node)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and "MassEffect" in ast.unparse(node)
    ]

    assert not asked or name.startswith(("gliofield.growth.", "gliofield_gpu."))


@pytest.mark.parametrize("path", source_files(SOURCE, EVALUATION, TRAINING, PAPERS), ids=module_name)
def test_a_gpu_is_reached_through_its_plug_in_alone(path):
    """`simulate_many` loads it by the name of the device; nobody imports it."""
    assert imported_modules(path, "gliofield_gpu") == set()
