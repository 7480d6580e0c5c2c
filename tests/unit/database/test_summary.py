"""The numbers `database info` shows."""

import dataclasses

import numpy as np
from growing_ball import BallDesign, build_balls

from gliofield.database import summarize


def test_a_summary_counts_what_is_there(tmp_path):
    """Quantiles, acceptance and bytes agree with the tables and the files."""
    database = build_balls(tmp_path / "db", num_tumors=10, design=BallDesign(snapshots_per_run=2))
    summary = summarize(database)
    files = [path for path in (tmp_path / "db").rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert (summary.num_tumors, summary.num_runs, summary.num_files) == (10, 5, len(files))
    assert summary.size_bytes == sum(path.stat().st_size for path in files)
    assert summary.bytes_per_tumor == summary.size_bytes / 10
    assert summary.acceptance == 5 / (5 + database.table.attempt[::2].sum())
    assert summary.flair_ml[2] == np.median(database.volume_ml[:, 0].astype(float))
    assert summary.num_without_core == np.count_nonzero(database.volume_ml[:, 1] == 0)


def test_a_database_without_cores_has_no_ratio(tmp_path):
    """The ratio is NaN, not an error."""
    database = build_balls(tmp_path / "db", num_tumors=3)
    volumes = np.array([[1.0, 0.0]] * 3, dtype=np.float32)
    coreless = dataclasses.replace(database, table=dataclasses.replace(database.table, volume_ml=volumes))
    summary = summarize(coreless)
    assert np.all(np.isnan(summary.whole_to_core_ratio))
    assert summary.num_without_core == 3
