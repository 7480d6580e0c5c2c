"""Building, refusing, failing and resuming; that results are reproducible is in tests/invariants."""

import dataclasses
import errno
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from growing_ball import BallDesign, GrowingBall, ball_anatomy, build_balls, folder_content
from mass_effect_phantoms import phantom_anatomy
from one_brain_atlas import atlas_of

from gliofield.database import (
    ClinicalDesign,
    DatabaseHeader,
    LocalWorkers,
    SimulationDatabase,
    build_database,
    design_names,
    named_design,
    part_of_database,
    quantize_density,
)
from gliofield.database.design import AttemptRng
from gliofield.database.lock import build_lock
from gliofield.database.schema import describe_settings
from gliofield.errors import DatabaseError, NumericalError, OutputError, ParameterError
from gliofield.growth import FisherKolmogorov, MassEffect, MassEffectParameters
from gliofield.growth.parameters import DEFAULT_PUSH_PA
from gliofield.progress import ProgressEvent


def test_every_tumor_is_the_simulation_of_its_parameters(tmp_path):
    """Stored levels and tables are those of the first accepted attempt of each run, drawn and simulated again here."""
    anatomy, design, model = ball_anatomy(), BallDesign(), GrowingBall()
    database = build_balls(tmp_path / "db", num_tumors=10, seed=3)
    for tumor in range(10):
        for attempt in range(100):
            rng = AttemptRng(3, tumor, attempt)
            draw = design.draw(rng, anatomy)
            density = model.simulate(anatomy, draw.parameters, draw.times_days).cell_density
            if design.accepts(draw, density, anatomy.grid):
                break
        levels = quantize_density(density[0])
        assert database.table.attempt[tumor] == attempt
        np.testing.assert_array_equal(database.density_levels(tumor), levels)
        assert database.parameters_of(tumor)["growth_time_days"] == draw.times_days[0]
        assert database.parameters_of(tumor)["seed_y_mm"] == draw.parameters.seed_mm[1]
        np.testing.assert_allclose(
            database.volume_ml[tumor],
            [np.count_nonzero(density > np.float32(t)) * 0.008 for t in (0.2, 0.6)],
            rtol=1e-6,
        )
    assert database.table.attempt.max() > 0, "the design should have rejected something, or the test shows little"


def test_snapshots_of_a_run_are_consecutive_tumors(tmp_path):
    """With S = 3, tumors 3r … 3r + 2 share their seed and are one run at increasing times; a last run may be cut."""
    database = build_balls(tmp_path / "db", num_tumors=11, design=BallDesign(snapshots_per_run=3))
    seeds, times = database.parameters[:, 3:], database.parameters[:, 2]
    assert database.num_tumors == 11
    assert database.header.snapshots_per_run == 3
    for run in range(4):
        rows = slice(3 * run, min(3 * run + 3, 11))
        assert len(np.unique(seeds[rows], axis=0)) == 1
        assert np.all(np.diff(times[rows]) > 0)
        assert len(set(database.table.attempt[rows])) == 1
    assert len(np.unique(seeds, axis=0)) == 4


def test_a_real_model_and_design_build(tmp_path):
    """The solver on a small cube under the clinical design, wide open; densities stay in the domain."""
    anatomy = ball_anatomy(num_voxels=16, spacing_mm=4.0)
    design = ClinicalDesign(
        reach_mm=(12.0, 18.0, 25.0),
        core_volume_ml=(0.1, 300.0),
        whole_volume_ml=(0.1, 300.0),
        infiltration_length_mm=(2.0, 3.0, 4.0),
    )
    database = build_database(
        tmp_path / "db",
        num_tumors=2,
        design=design,
        atlas=atlas_of(anatomy),
        model=FisherKolmogorov(),
        seed=1,
    )
    assert database.header.model["name"] == "fisher-kolmogorov"
    for tumor in range(2):
        density = database.cell_density(tumor)
        assert density.max() > 0.6
        assert not density[~anatomy.domain].any()


def test_the_model_tells_the_time_it_stopped_at(tmp_path):
    """Stored times are the solution's, which the scheme `published` moves to whole steps."""

    @dataclasses.dataclass(frozen=True)
    class Late:
        @property
        def name(self) -> str:
            return "late"

        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            solution = GrowingBall().simulate(anatomy, parameters, times_days)
            return dataclasses.replace(solution, times_days=tuple(t + 1 for t in times_days))

    late, exact = build_balls(tmp_path / "late", model=Late()), build_balls(tmp_path / "exact")
    np.testing.assert_array_equal(late.parameters[:, 2], exact.parameters[:, 2] + 1)


def test_progress_counts_tumors_and_rejections(tmp_path):
    """Events run from 0 to all tumors, and the last tells the draws rejected."""
    events: list[ProgressEvent] = []
    database = build_database(
        tmp_path / "db", num_tumors=20, design=BallDesign(), atlas=atlas_of(ball_anatomy()),
        model=GrowingBall(), seed=0, report=events.append,
    )  # fmt: skip
    completed = [event.completed for event in events]
    assert completed == sorted(completed)
    assert (completed[0], completed[-1]) == (0, 20)
    assert all(event.total == 20 for event in events)
    num_rejected = database.table.attempt.sum()
    assert events[-1].message == f"{num_rejected} draws rejected ({num_rejected} outside filter)"


def test_a_finished_build_is_left_alone(tmp_path):
    """Asking again for the same database opens it and writes nothing."""
    build_balls(tmp_path / "db")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "db").rglob("*") if path.is_file()}
    assert build_balls(tmp_path / "db").num_tumors == 12
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "db").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 8}, "root_seed: 7 there, 8 asked for"),
        ({"atlas_name": "mni152"}, '"cube".* there, .*"mni152".* asked for'),
        ({"design": BallDesign(rejected_share=0.5)}, "design: .*0.3.* there"),
        ({"model": GrowingBall(edge_mm=2.0)}, "model: .*3.0.* there"),
        ({"anatomy": ball_anatomy(spacing_mm=3.0)}, "grid: "),
    ],
)
def test_other_settings_are_refused(tmp_path, changes, message):
    """A database is not grown with other tumors than its own; nothing of it changes."""
    build_balls(tmp_path / "db")
    before = folder_content(tmp_path / "db")
    with pytest.raises(DatabaseError, match=message):
        build_balls(tmp_path / "db", num_tumors=20, **changes)
    assert folder_content(tmp_path / "db") == before


def test_a_database_of_another_version_is_not_grown(tmp_path, monkeypatch):
    """The same settings in another gliofield are other tumors until proven otherwise."""
    build_balls(tmp_path / "db")
    monkeypatch.setattr("gliofield.database.build.__version__", "99.0")
    with pytest.raises(DatabaseError, match='gliofield_version: ".*" there, "99.0" asked for'):
        build_balls(tmp_path / "db", num_tumors=20)


def test_shrinking_is_refused(tmp_path):
    """Fewer tumors than are there would mean deleting some."""
    build_balls(tmp_path / "db")
    with pytest.raises(DatabaseError, match="holds 12 tumors already, 5 were asked for"):
        build_balls(tmp_path / "db", num_tumors=5)


def test_foreign_folders_are_not_touched(tmp_path):
    """A folder with other content is refused before anything is written."""
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(DatabaseError, match="is not empty and holds no simulation database"):
        build_balls(tmp_path)
    assert folder_content(tmp_path) == {"thesis.txt": b"important"}


def test_a_second_builder_is_refused(tmp_path):
    """While the lock is held nobody else builds, and the holder's files stay."""
    (tmp_path / "db").mkdir()
    with build_lock(tmp_path / "db"), pytest.raises(DatabaseError, match="is being built by process"):
        build_balls(tmp_path / "db")
    assert build_balls(tmp_path / "db").num_tumors == 12


@pytest.mark.parametrize(("num_tumors", "num_workers"), [(0, 1), (-3, 1), (5, -1)])
def test_impossible_counts_are_refused(tmp_path, num_tumors, num_workers):
    """No tumors, or a negative number of workers."""
    with pytest.raises(ParameterError, match="num_(tumors must be at least 1|workers must be 0 or more)"):
        build_balls(tmp_path / "db", num_tumors=num_tumors, num_workers=num_workers)
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_failing_model_names_the_tumors_and_the_cause(tmp_path, num_workers):
    """Any exception of a model, here or in a worker, arrives with its class, text and traceback."""
    with pytest.raises(
        DatabaseError, match=r"tumors \d+ to \d+ could not be made: ZeroDivisionError: no tumor"
    ) as error:
        build_balls(tmp_path / "db", num_tumors=20, num_workers=num_workers, model=GrowingBall(fails_with="no tumor"))
    assert "growing_ball.py" in str(error.value)


def test_a_model_outside_the_unit_interval_is_refused(tmp_path):
    """A density above 1 cannot be stored, and the tumor is named."""

    @dataclasses.dataclass(frozen=True)
    class TooDense:
        name: str = "too-dense"

        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            solution = GrowingBall().simulate(anatomy, parameters, times_days)
            return dataclasses.replace(solution, cell_density=solution.cell_density + np.float32(1))

    with pytest.raises(DatabaseError, match=r"result for tumor 0 cannot be stored: density must lie in \[0, 1\]"):
        build_balls(tmp_path / "db", model=TooDense())


def test_a_design_that_accepts_nothing_ends(tmp_path):
    """After a thousand attempts the build gives up with a reason."""
    with pytest.raises(DatabaseError, match="the design 'balls' accepted none of 1000 tumors drawn for run 0"):
        build_balls(tmp_path / "db", design=BallDesign(rejected_share=1.0), anatomy=ball_anatomy(num_voxels=4))


def test_a_model_that_cannot_travel_is_refused_with_workers_only(tmp_path):
    """A class defined inside a function cannot be sent to another process."""

    class Local(GrowingBall):
        pass

    with pytest.raises(ParameterError, match="Local cannot be sent to worker processes"):
        build_balls(tmp_path / "db", num_tumors=20, num_workers=2, model=Local())
    assert build_balls(tmp_path / "other", model=Local()).num_tumors == 12


def test_a_dead_worker_is_reported(tmp_path, monkeypatch):
    """A worker that disappears (here: exits) ends the build with a reason, and the build can be continued."""
    monkeypatch.setenv("GROWING_BALL_EXIT", "1")
    with pytest.raises(DatabaseError, match="a worker process of the build in .* died"):
        build_balls(tmp_path / "db", num_tumors=20, num_workers=2)
    monkeypatch.delenv("GROWING_BALL_EXIT")
    assert build_balls(tmp_path / "db", num_tumors=20).num_tumors == 20


def _begin(path: Path, monkeypatch: pytest.MonkeyPatch, *, num_finished: int, **settings) -> None:
    """Start a build that fails after some batches."""

    class Failing(GrowingBall):
        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            done = sum(1 for _ in (path / "building" / "parts").glob("[0-9]*.npz"))
            if done >= num_finished:
                raise KeyboardInterrupt
            return super().simulate(anatomy, parameters, times_days)

    with pytest.raises(KeyboardInterrupt):
        build_balls(path, model=Failing(), **settings)


def test_an_unfinished_build_is_continued_where_it_stopped(tmp_path, monkeypatch):
    """Finished batches are not simulated again, and readers are told that the build is not done."""
    _begin(tmp_path / "db", monkeypatch, num_finished=2, num_tumors=30)
    with pytest.raises(DatabaseError, match="holds an unfinished build. Run the same build again"):
        SimulationDatabase.open(tmp_path / "db")
    calls = []

    class Counting(GrowingBall):
        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            calls.append(1)
            return super().simulate(anatomy, parameters, times_days)

    database = build_balls(tmp_path / "db", num_tumors=30, model=Counting())
    assert len(calls) == 14 + database.table.attempt[16:].sum(), "tumors 16 to 29 and their rejected attempts"


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"num_tumors": 30, "seed": 9}, "root_seed: 7 there, 9 asked for"), ({"num_tumors": 20}, "is for 30 tumors, 20")],
)
def test_an_unfinished_build_of_other_settings_is_refused(tmp_path, monkeypatch, settings, message):
    """Its results are kept, and the message says what to delete to start over."""
    _begin(tmp_path / "db", monkeypatch, num_finished=1, num_tumors=30)
    with pytest.raises(DatabaseError, match=message) as error:
        build_balls(tmp_path / "db", **settings)
    assert f"delete {tmp_path / 'db' / 'building'} to start over" in str(error.value)
    assert build_balls(tmp_path / "db", num_tumors=30).num_tumors == 30


def test_an_unfinished_build_without_results_does_not_stand_in_the_way(tmp_path, monkeypatch):
    """Nothing is lost by dropping a build that failed before its first batch was done."""
    _begin(tmp_path / "db", monkeypatch, num_finished=0, num_tumors=30)
    assert build_balls(tmp_path / "db", num_tumors=10, seed=9).num_tumors == 10


def test_a_damaged_part_is_made_again(tmp_path, monkeypatch):
    """A part file that is no archive any more, or was cut, costs its batch and nothing else."""
    _begin(tmp_path / "db", monkeypatch, num_finished=2, num_tumors=30)
    cut, garbage = sorted((tmp_path / "db" / "building" / "parts").glob("[0-9]*.npz"))
    cut.write_bytes(cut.read_bytes()[:-100])
    garbage.write_bytes(b"not an archive")
    build_balls(tmp_path / "db", num_tumors=30)
    build_balls(tmp_path / "whole", num_tumors=30)
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


def test_damaged_rows_of_a_finished_shard_are_made_again(tmp_path, monkeypatch):
    """So does a finished shard whose table was cut: it is simulated again."""
    anatomy = ball_anatomy(num_voxels=4)

    def stop(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gliofield.database.staging.Staging.complete", stop)
        with pytest.raises(KeyboardInterrupt):
            build_balls(tmp_path / "db", num_tumors=129, anatomy=anatomy)
    (rows,) = (tmp_path / "db" / "building" / "rows").glob("0.npz")
    rows.write_bytes(rows.read_bytes()[:-50])
    build_balls(tmp_path / "db", num_tumors=129, anatomy=anatomy)
    build_balls(tmp_path / "whole", num_tumors=129, anatomy=anatomy)
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


@pytest.mark.parametrize("nth", [1, 2, 4, 7])
def test_a_full_disk_is_reported_and_the_build_continues_later(tmp_path, monkeypatch, nth):
    """ENOSPC when any file is put down becomes an OutputError, and what was finished is used afterwards."""
    replace, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="cannot be written: No space left.*run the same build again to continue"):
        build_balls(tmp_path / "db", num_tumors=30)
    monkeypatch.undo()
    build_balls(tmp_path / "db", num_tumors=30)
    build_balls(tmp_path / "whole", num_tumors=30)
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


def test_a_disk_that_fills_while_the_tables_are_written_is_reported(tmp_path, monkeypatch):
    """Zarr's own writing fails as an OutputError too."""

    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zarr.create_group", full)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        build_balls(tmp_path / "db")
    monkeypatch.undo()
    assert build_balls(tmp_path / "db").num_tumors == 12


def test_a_place_that_cannot_be_written_is_reported(tmp_path):
    """A file in place of a parent folder is nothing to build in."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        build_balls(tmp_path / "file" / "db")


def test_a_decided_build_that_lost_a_file_is_refused(tmp_path, monkeypatch):
    """Once the new manifest stands, everything it lists must be there, or the build starts over."""

    replace = os.replace

    def stop_at_placing(source, target):
        if Path(target).name == "0" and "building" not in str(target):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop_at_placing)
    with pytest.raises(KeyboardInterrupt):
        build_balls(tmp_path / "db")
    monkeypatch.undo()
    (tmp_path / "db" / "building" / "shards" / "density" / "c" / "0" / "0" / "0" / "0").unlink()
    with pytest.raises(DatabaseError, match="density/c/0/0/0/0 of the build in .* is missing or damaged"):
        build_balls(tmp_path / "db")


def test_the_header_records_the_thresholds_of_the_volumes(tmp_path):
    """Thresholds and levels are in the attributes, by the names of the columns."""
    header = build_balls(tmp_path / "db").header
    assert isinstance(header, DatabaseHeader)
    assert header.threshold_levels == {"flair": 51, "t1gd": 153}


@pytest.mark.parametrize("snapshots_per_run", [1, 3])
def test_progress_counts_the_rejections_of_a_run_once(tmp_path, snapshots_per_run):
    """Snapshots share the rejections of their run; building in two steps counts those of the second."""
    design = BallDesign(snapshots_per_run=snapshots_per_run)
    build_balls(tmp_path / "db", num_tumors=7, design=design)
    events: list[ProgressEvent] = []
    database = build_balls(tmp_path / "db", num_tumors=24, design=design, report=events.append)
    first_runs = range(7 // snapshots_per_run, 24 // snapshots_per_run)
    expected = sum(int(database.table.attempt[run * snapshots_per_run]) for run in first_runs)
    assert events[-1].message.startswith(f"{expected} draws rejected")


def test_a_draw_without_a_solution_is_rejected(tmp_path):
    """A `NumericalError` rejects the draw and is counted by its reason; any other error ends the build."""

    @dataclasses.dataclass(frozen=True)
    class Picky(GrowingBall):
        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            if times_days[0] > 70.0:
                raise NumericalError("no equilibrium")
            return super().simulate(anatomy, parameters, times_days)

    database = build_balls(tmp_path / "db", num_tumors=20, model=Picky(), design=BallDesign(rejected_share=0.0))
    assert database.parameters[:, 2].max() <= 70.0
    assert database.table.rejections[:, 3].sum() > 5
    np.testing.assert_array_equal(database.table.rejections[:, 3], database.table.attempt)


@pytest.fixture(scope="module")
def pushing(tmp_path_factory):
    """Four tumors with mass effect in the phantom brain."""
    return _build_pushing(tmp_path_factory.mktemp("pushing") / "db")


PUSHING_DESIGN = ClinicalDesign(
    infiltration_length_mm=(4.0, 5.0, 6.0),
    reach_mm=(15.0, 20.0, 30.0),
    core_volume_ml=(0.1, 300.0),
    push_pa=(0.0, 8000.0),
)


def _build_pushing(path, **changes):
    settings = {"num_tumors": 4, "design": PUSHING_DESIGN, "model": MassEffect(num_coupling_steps=4),
                "atlas": atlas_of(phantom_anatomy())} | changes  # fmt: skip
    return build_database(path, **settings)


def test_a_database_with_mass_effect_stores_the_push(pushing):
    """Each tumor is the simulation of its own parameters, the push among them, spread over its range."""
    assert pushing.parameter_names[-1] == "push_pa"
    assert pushing.header.model["name"] == "mass-effect"
    pushes = pushing.parameters[:, -1]
    assert np.all((pushes > 0.0) & (pushes < 8000.0))
    assert len(set(pushes)) == 4
    for tumor in range(2):
        stored = pushing.parameters_of(tumor)
        parameters = MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=stored["white_matter_diffusivity_mm2_per_day"],
            proliferation_rate_per_day=stored["proliferation_rate_per_day"],
            seed_mm=tuple(stored[f"seed_{axis}_mm"] for axis in "xyz"),
            push_pa=stored["push_pa"],
        )
        model = MassEffect(num_coupling_steps=4)
        density = model.simulate(phantom_anatomy(), parameters, [stored["growth_time_days"]]).cell_density[-1]
        np.testing.assert_array_equal(pushing.density_levels(tumor), quantize_density(density))


def test_workers_grow_tumors_with_mass_effect(tmp_path):
    """The tissue maps reach them: byte for byte the database of one process."""
    tiny = phantom_anatomy((14, 16, 15), 5.0)
    for name, workers in (("one", 1), ("two", 2)):
        # More than one batch, or workers are not asked.
        _build_pushing(tmp_path / name, num_tumors=10, atlas=atlas_of(tiny), workers=LocalWorkers(workers))
    assert folder_content(tmp_path / "one") == folder_content(tmp_path / "two")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"design": ClinicalDesign()}, "the model 'mass-effect' needs a push"),
        ({"model": FisherKolmogorov()}, "the design 'clinical' draws a push, which the model 'fisher-kolmogorov' does"),
    ],
)
def test_design_and_model_must_fit(tmp_path, settings, message):
    """A push that nothing feels, or a model without its push, is refused before anything is written."""
    with pytest.raises(ParameterError, match=message):
        _build_pushing(tmp_path / "db", **settings)
    assert not (tmp_path / "db").exists()


def test_the_push_changes_nothing_else_of_a_draw():
    """Tumors with and without mass effect share seed, growth and time."""
    for design in design_names():
        plain, pushed = (named_design(design, mass_effect=pushes) for pushes in (False, True))
        for run in range(5):
            a, b = (d.draw(AttemptRng(0, run, 0), ball_anatomy()) for d in (plain, pushed))
            assert a.times_days == b.times_days
            assert a.parameters.seed_mm == b.parameters.seed_mm
            assert a.parameters.proliferation_rate_per_day == b.parameters.proliferation_rate_per_day
            assert 0.0 <= b.parameters.push_pa < 2 * DEFAULT_PUSH_PA


@pytest.mark.parametrize(
    ("num_tumors", "part", "num_parts", "expected"),
    [(300, 1, 1, range(0, 300)), (300, 1, 2, range(0, 128)), (300, 2, 2, range(128, 300)), (300, 3, 3, range(256, 300)),
     (256, 2, 2, range(128, 256))],
)  # fmt: skip
def test_parts_are_whole_shards(num_tumors, part, num_parts, expected):
    """Together they are the database, each starts with a shard."""
    assert part_of_database(num_tumors, part, num_parts) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((300, 0, 2), "expected a part from 1 to the number of parts, got part 0 of 2"),
        ((300, 3, 2), "got part 3 of 2"),
        ((300, 1, 4), "300 tumors are 3 shards of 128 and cannot be built in 4 parts: ask for at most 3"),
        ((0, 1, 1), "num_tumors must be at least 1"),
    ],
)
def test_impossible_parts_are_refused(arguments, message):
    """The message says what can be had."""
    with pytest.raises(ParameterError, match=message):
        part_of_database(*arguments)


def test_a_part_starts_with_a_shard(tmp_path):
    """Other first tumors are refused, with the size of a shard."""
    with pytest.raises(ParameterError, match="first_tumor must be a multiple of 128"):
        build_balls(tmp_path / "db", first_tumor=100)


def test_growing_a_database_with_damaged_tables_is_refused(tmp_path):
    """Else the damage would be listed by the new manifest."""
    build_balls(tmp_path / "db", num_tumors=140, anatomy=ball_anatomy(6))
    for name in ("parameters/c/0/0", "density/c/1/0/0/0"):
        path = tmp_path / "db" / name
        intact = path.read_bytes()
        path.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
        with pytest.raises(DatabaseError):
            build_balls(tmp_path / "db", num_tumors=150, anatomy=ball_anatomy(6))
        path.write_bytes(intact)
    # The first shard is full and stays the file it is.
    build_balls(tmp_path / "db", num_tumors=150, anatomy=ball_anatomy(6))


@pytest.mark.parametrize("num_tumors", [50, 128, 140, 256])
def test_an_unfinished_build_may_be_enlarged(tmp_path, num_tumors):
    """Stopped on the way to N, a build of more keeps what it has and ends as it would have from the start."""
    small = ball_anatomy(6)

    class StoppedError(Exception):
        pass

    def stop_late(event):
        if event.completed > 0.8 * num_tumors:
            raise StoppedError

    with pytest.raises(StoppedError):
        build_balls(tmp_path / "db", num_tumors=num_tumors, anatomy=small, report=stop_late)
    finished = len(list((tmp_path / "db" / "building" / "parts").glob("[0-9]*.npz")))
    events: list[ProgressEvent] = []
    build_balls(tmp_path / "db", num_tumors=300, anatomy=small, report=events.append)
    assert finished == 0 or events[0].completed > 0
    build_balls(tmp_path / "whole", num_tumors=300, anatomy=small)
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


def test_a_finished_last_shard_of_fewer_tumors_is_made_anew(tmp_path, monkeypatch):
    """All shards of 140 tumors were there, the tables not yet: the second shard has to become longer."""
    small = ball_anatomy(6)
    with monkeypatch.context() as patch:
        patch.setattr("gliofield.database.staging.Staging.complete", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_balls(tmp_path / "db", num_tumors=140, anatomy=small)
    build_balls(tmp_path / "db", num_tumors=200, anatomy=small)
    build_balls(tmp_path / "whole", num_tumors=200, anatomy=small)
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


def test_an_unreadable_build_is_not_thrown_away(tmp_path, monkeypatch):
    """An input error while its settings are read ends the build; what was finished stays."""
    with monkeypatch.context() as patch:
        patch.setattr("gliofield.database.staging.Staging.complete", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_balls(tmp_path / "db", num_tumors=140, anatomy=ball_anatomy(6))
    read_text = Path.read_text

    def failing(path, *arguments, **settings):
        if path.name == "settings.json":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_text(path, *arguments, **settings)

    monkeypatch.setattr(Path, "read_text", failing)
    with pytest.raises(OutputError, match="Input/output error"):
        build_balls(tmp_path / "db", num_tumors=140, anatomy=ball_anatomy(6))
    assert len(list((tmp_path / "db" / "building" / "rows").glob("*.npz"))) == 2


def test_workers_are_given_a_few_batches_at_a_time(tmp_path, monkeypatch):
    """However many there are: a million futures would take gigabytes."""
    most = 0
    submit = ProcessPoolExecutor.submit

    def counting(self, *arguments, **settings):
        nonlocal most
        most = max(most, len(self._pending_work_items) + 1)
        return submit(self, *arguments, **settings)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", counting)
    build_balls(tmp_path / "db", num_tumors=200, anatomy=ball_anatomy(6), num_workers=2)
    assert 1 < most <= 8


@pytest.mark.parametrize("wrong", [{"num_tumors": 10.5}, {"seed": 1.9}, {"first_tumor": 128.0}])
def test_numbers_of_tumors_and_seeds_are_integers(tmp_path, wrong):
    """A float is refused rather than cut off."""
    settings = {"num_tumors": 3, "seed": 0, "first_tumor": 0} | wrong
    with pytest.raises(ParameterError, match=f"{next(iter(wrong))} must be an integer"):
        build_database(
            tmp_path / "db", design=BallDesign(), atlas=atlas_of(ball_anatomy()), model=GrowingBall(), **settings
        )


@pytest.mark.parametrize("flaw", ["not finite", "too few"])
def test_a_model_that_returns_nonsense_ends_the_build(tmp_path, flaw):
    """A NaN, or fewer densities than times, is an error of the model and no rejection of the design."""

    @dataclasses.dataclass(frozen=True)
    class Broken(GrowingBall):
        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            solution = super().simulate(anatomy, parameters, times_days)
            kept = solution.cell_density[:-1] if flaw == "too few" else solution.cell_density * np.float32("nan")
            return dataclasses.replace(solution, cell_density=kept, times_days=solution.times_days[: len(kept)])

    with pytest.raises(DatabaseError, match="the model 'growing-ball' returned"):
        build_balls(tmp_path / "db", model=Broken(), design=BallDesign(snapshots_per_run=2))


def test_a_model_that_never_finds_a_solution_is_blamed(tmp_path, monkeypatch):
    """The error counts the reasons, so nobody looks for the fault in the design's ranges."""

    @dataclasses.dataclass(frozen=True)
    class Hopeless(GrowingBall):
        def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
            raise NumericalError("no equilibrium")

    monkeypatch.setattr("gliofield.database.simulate.MAX_ATTEMPTS", 10)
    with pytest.raises(DatabaseError, match=r"10 draws rejected \(10 not solvable\)"):
        build_balls(tmp_path / "db", model=Hopeless())


def test_design_model_and_workers_may_be_words_and_numbers(tmp_path):
    """A name means the default settings; the defaults are clinical tumors of the model fk, on the atlas's own grid."""
    atlas = atlas_of(ball_anatomy(num_voxels=16, spacing_mm=4.0))
    objects = {"design": named_design("clinical"), "model": FisherKolmogorov(), "workers": LocalWorkers(1)}
    for name, settings in {"words": {"design": "clinical", "model": "fk", "workers": 1}, "objects": objects}.items():
        with pytest.raises(DatabaseError, match="accepted none of 2 tumors"):
            _build_hopeless(tmp_path / name, atlas, settings)

    words, spelled_out = (
        json.loads((tmp_path / name / "building" / "settings.json").read_text()) for name in ("words", "objects")
    )
    assert words == spelled_out


def test_a_design_by_name_pushes_where_the_model_does(tmp_path):
    """`papers` with `mass-effect` is the published design with the default range of the push."""
    settings = {"design": "papers", "model": "mass-effect"}
    with pytest.raises(DatabaseError, match="accepted none of 2 tumors"):
        _build_hopeless(tmp_path / "db", atlas_of(phantom_anatomy()), settings)

    recorded = json.loads((tmp_path / "db" / "building" / "settings.json").read_text())
    assert json.dumps(describe_settings(named_design("papers", mass_effect=True))) in json.dumps(recorded)


def _build_hopeless(path, atlas, settings):
    """A build that ends with its second draw, once its settings are recorded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gliofield.database.simulate.MAX_ATTEMPTS", 2)
        patch.setattr("gliofield.database.simulate.BatchSimulator.is_worth_simulating", lambda self, draw: False)
        build_database(path, num_tumors=1, atlas=atlas, **settings)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"design": "clinic"}, "design 'clinic' is unknown: .*Did you mean 'clinical'"),
        ({"design": 3}, r"design must be Design or str, got 3 \(int\)\. Name one \(clinical, papers\)"),
        ({"model": "kf"}, "growth model 'kf' is unknown"),
        (
            {"model": GrowingBall},
            r"got the class GrowingBall\. Name one \(fk, mass-effect, learned, published\)",
        ),
        ({"workers": "all"}, r"workers must be Workforce or int, got 'all' \(str\)\. Give a number of processes"),
        ({"workers": -1}, "num_workers must be 0 or more, got -1"),
        ({"atlas": ball_anatomy()}, r"atlas must be Atlas or str or PathLike, got Anatomy\. Give load_atlas\(\.\.\.\)"),
        ({"atlas": "sri42"}, "atlas 'sri42' is unknown: .*Did you mean 'sri24'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_no_design_model_workforce_or_atlas_is_refused(tmp_path, wrong, complaint):
    """With what was expected, what came and what to do; nothing is written."""
    settings = {"design": BallDesign(), "model": GrowingBall(), "atlas": atlas_of(ball_anatomy()), **wrong}
    with pytest.raises(ParameterError, match=complaint):
        build_database(tmp_path / "db", num_tumors=2, **settings)
    assert not (tmp_path / "db").exists()
