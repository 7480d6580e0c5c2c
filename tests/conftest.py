"""What every test gets: strict floating-point, untouched global state, an own cache folder, no window.

Shared fixtures are `rng` (seeded) and `shared_data` (the folder of real images, or a skip). All else lives beside the
tests that use it; phantoms used by several folders are in `tests/support`.
"""

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Pages of tests are written without the viewer, unless the cache has it.
os.environ["GLIOFIELD_OFFLINE"] = "1"

REPOSITORY = Path(__file__).resolve().parent.parent

# The same examples on every machine, however busy it is.
hypothesis.settings.register_profile("gliofield", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("gliofield")

_cache_numbers = itertools.count()

# Cheap kinds first: what is plainly broken shows within seconds.
_ORDER = (
    "architecture",
    "unit",
    "contract",
    "docs",
    "regression",
    "analytic",
    "invariants",
    "equivalence",
    "convergence",
    "golden",
    "end_to_end",
    "statistical",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by kind, keeping the order within a kind."""
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        parts = item.path.relative_to(tests).parts if item.path.is_relative_to(tests) else ("",)
        parts = parts[1:] if parts[0] in ("papers", "gpu", "training") else parts
        return _ORDER.index(parts[0]) if parts[0] in _ORDER else len(_ORDER)

    items.sort(key=rank)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random generator with the same seed in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared real images: $GLIOFIELD_TEST_DATA, or shared/data beside the repository; skips without."""
    override = os.environ.get("GLIOFIELD_TEST_DATA")
    folder = Path(override) if override else REPOSITORY.parent / "shared" / "data"
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip("needs the shared test data: set GLIOFIELD_TEST_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def _strict_numerics() -> Iterator[None]:
    """Floating-point errors raise (underflow excepted), and no test may change NumPy's global state."""
    before = np.seterr(all="raise", under="ignore")
    handling = np.geterr()
    legacy_generator = _legacy_generator_state()
    try:
        yield
        changed_handling, changed_generator = np.geterr() != handling, _legacy_generator_state() != legacy_generator
    finally:
        np.seterr(**before)
    if changed_handling:
        pytest.fail("the test changed NumPy's global floating-point error handling: use np.errstate instead")
    if changed_generator:
        pytest.fail("the test drew from NumPy's global random generator: pass an np.random.Generator instead")


def _legacy_generator_state() -> tuple[object, ...]:
    name, keys, *rest = np.random.get_state()
    return (name, np.asarray(keys).tobytes(), *rest)


@pytest.fixture(autouse=True)
def _own_cache_folder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The user's cache folder is an empty one, unless the test is marked `user_cache`."""
    if request.node.get_closest_marker("user_cache") is None:
        # Only the name is new: a test that does not use the cache makes no folder.
        folder = tmp_path_factory.getbasetemp() / "caches" / str(next(_cache_numbers))
        monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(folder))


@pytest.fixture(autouse=True)
def _figures_closed() -> Iterator[None]:
    """Figures do not outlive their test."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
