"""Which rows and planes a kernel is run on, and that cutting them changes nothing."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gliofield.growth.mechanics.planes import PlaneRunner


def visited(x0, x1, start, stop, out):
    """Kernel that counts its visits to each cell of the rows and tells its range."""
    for i in range(x0, x1):
        for j in range(start.shape[1]):
            out[i, j, start[i, j] : stop[i, j]] += 1
    return x0, x1


def visited_lines(x0, x1, start, stop, row, out):
    """The same for planes that are lines, with the cell behind each one along y."""
    for i in range(x0, x1):
        out[0, i, start[i] : stop[i]] += 1
        out[1, i, start[i] + row : stop[i] + row] += 1


def plane_sums(x0, x1, start, stop, row, values, sums):
    """Kernel that sums the planes of an array."""
    for i in range(x0, x1):
        sums[i] = values[i].sum()


def ball(num_voxels=40):
    """A ball with a hollow, one cell away from every side."""
    along = np.arange(num_voxels) - num_voxels / 2
    radius = np.sqrt(along[:, None, None] ** 2 + along[None, :, None] ** 2 + along[None, None, :] ** 2)
    return (radius < 0.4 * num_voxels) & (radius > 0.2 * num_voxels)


def test_rows_reach_from_the_first_cell_of_the_brain_to_the_last():
    """Whole rows, hollows included; empty rows have none."""
    brain = np.zeros((4, 4, 9), bool)
    brain[1, 2, [3, 6]] = True
    runner = PlaneRunner(brain, extents="rows")

    assert (runner.start[1, 2], runner.stop[1, 2]) == (3, 7)
    assert np.count_nonzero(runner.stop > runner.start) == 1


@pytest.mark.parametrize("num_threads", [1, 2, 3, 7, 64])
def test_every_cell_is_visited_once_however_many_threads(num_threads):
    """Ranges are disjoint and cover the brain."""
    brain = ball()
    out = np.zeros(brain.shape, int)
    with ThreadPoolExecutor(2) as executor:
        runner = PlaneRunner(brain, executor, num_threads, extents="rows")
        runner.run(visited, out)

    assert np.all(out[brain] == 1)
    assert out.max() == 1


@pytest.mark.parametrize("num_threads", [1, 3])
def test_planes_are_lines_from_the_first_cell_of_the_brain_to_the_last(num_threads):
    """Every cell once, and what lies between; a neighbor along y is one row further. Arrays are written, not copies."""
    brain = ball()
    out = np.zeros((2, *brain.shape), int)
    with ThreadPoolExecutor(2) as executor:
        PlaneRunner(brain, executor, num_threads).run(visited_lines, out)

    assert np.all(out[0][brain] == 1)
    assert out[0].max() == 1
    plane, is_brain = out[0, brain.shape[0] // 2], brain[brain.shape[0] // 2]
    np.testing.assert_array_equal(np.flatnonzero(plane)[[0, -1]], np.flatnonzero(is_brain)[[0, -1]])
    np.testing.assert_array_equal(out[1][:, 1:], out[0][:, :-1])


def test_an_array_that_cannot_be_seen_as_lines_is_refused():
    """A copy would swallow what a kernel writes."""
    brain = ball()

    with pytest.raises(ValueError, match="copy"):
        PlaneRunner(brain).run(visited_lines, np.zeros((2, *brain.shape), int).transpose(0, 1, 3, 2))


def test_ranges_have_nearly_equal_work():
    """No thread has more than twice its share, in a ball whose planes differ a lot."""
    brain = ball(64)
    with ThreadPoolExecutor(2) as executor:
        runner = PlaneRunner(brain, executor, 4, extents="rows")
        ranges = runner.map(visited, np.zeros(brain.shape, int))
    work = np.maximum(runner.stop - runner.start, 0).sum(axis=1)

    shares = [work[first:last].sum() / work.sum() for first, last in ranges]

    assert len(shares) == 4
    assert max(shares) < 0.35


def test_small_brains_are_not_cut():
    """Ranges of a few planes are not worth a thread."""
    brain = np.pad(np.ones((10, 4, 4), bool), 1)

    assert len(PlaneRunner(brain, None, 8, extents="rows").map(visited, np.zeros(brain.shape, int))) == 1


@pytest.mark.parametrize("num_threads", [1, 4])
def test_totals_are_sums_of_planes_the_same_for_every_number_of_threads(num_threads, rng):
    """Bit for bit, since planes are summed on their own."""
    brain = ball()
    values = rng.normal(size=brain.shape)
    with ThreadPoolExecutor(2) as executor:
        total = PlaneRunner(brain, executor, num_threads).total(plane_sums, values)

    assert total == PlaneRunner(brain).total(plane_sums, values)
    assert total == pytest.approx(values[1:-1].sum())


def test_an_error_in_a_thread_reaches_the_caller():
    """It does not pass in silence."""

    def failing(x0, x1, start, stop, row):
        raise ZeroDivisionError("kernel")

    with ThreadPoolExecutor(2) as executor, pytest.raises(ZeroDivisionError, match="kernel"):
        PlaneRunner(ball(), executor, 2).run(failing)
