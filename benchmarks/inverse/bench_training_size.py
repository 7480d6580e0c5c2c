"""What more training tumors buy an inverse network: errors against the size of the training set.

    python benchmarks/inverse/bench_training_size.py DATABASE [--sizes 500 1000 2000] [--epochs 10] [--tumors 100]

Networks of the small setting, trained on the first tumors of the training part, each larger set containing the smaller
ones, with equally many batches each; then asked about the same test tumors. Scaled errors are root mean squares over
the validation tumors, in parts of half the range. Networks and states are kept in --folder, so an interrupted run goes
on. The atlas is the database's, by name.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from gliofield.anatomy import load_atlas
from gliofield.database import SimulationDatabase
from gliofield.inverse import InverseSettings, TargetSettings, read_inverse_header
from gliofield_papers.inverse.evaluation import InverseEvaluationSettings, evaluate_inverse
from gliofield_training.inverse import DatabaseTumors, train_inverse
from gliofield_training.inverse.tumors import VALIDATION_SHARE

_NUM_VALIDATION = 200


def trained(
    folder: Path,
    database: SimulationDatabase,
    size: int,
    num_batches: int,
    targets: TargetSettings,
    threads: int | None,
) -> tuple[Path, float]:
    """Checkpoint of a network trained on some tumors, and the seconds it took; 0 if it was there."""
    path = folder / f"{targets.growth}_{targets.scale}_{size}.safetensors"
    if path.is_file():
        return path, 0.0
    preset = InverseSettings.small()
    num_epochs = max(1, round(num_batches * preset.training.batch_size / size))
    training = dataclasses.replace(preset.training, num_epochs=num_epochs, num_threads=threads)
    settings = dataclasses.replace(preset, targets=targets, training=training)
    begin = time.perf_counter()
    num_validation = min(_NUM_VALIDATION, int(VALIDATION_SHARE * database.num_tumors))
    source = DatabaseTumors(
        database, num_training_tumors=size, num_validation_tumors=num_validation, num_threads=threads
    )
    train_inverse(source, settings, path)
    return path, time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the largest set")
    parser.add_argument("--tumors", type=int, default=100)
    parser.add_argument("--growth", default="invariants", help="invariants or rates")
    parser.add_argument("--scale", default="linear", help="linear or log")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--folder", type=Path, default=Path("training_sizes"))
    arguments = parser.parse_args()
    database = SimulationDatabase.open(arguments.database)
    batch_size = InverseSettings.small().training.batch_size
    num_batches = arguments.epochs * max(arguments.sizes) // batch_size
    targets = TargetSettings(growth=arguments.growth, scale=arguments.scale)
    made = [
        trained(arguments.folder, database, size, num_batches, targets, arguments.threads) for size in arguments.sizes
    ]
    evaluation = evaluate_inverse(
        database,
        load_atlas(database.header.atlas_name),
        [path for path, _ in made],
        settings=InverseEvaluationSettings(num_tumors=arguments.tumors, num_threads=arguments.threads),
    )
    print(
        f"{arguments.growth}, {arguments.scale}, {num_batches} batches of {batch_size}, {evaluation.num_tumors} tests"
    )
    print("| tumors | scaled error | WM | GM | either tumor | Dice 0.2 | location [mm] | training [s] |")
    print("|---|---|---|---|---|---|---|---|")
    for (path, seconds), score in zip(made, evaluation.scores, strict=True):
        (history,) = read_inverse_header(path).history.values()
        rms = history.best.validation["loss"] ** 0.5
        errors = " | ".join(f"{score.published[name].mean:.3f}" for name in ("white_matter", "gray_matter"))
        print(
            f"| {score.num_training_tumors} | {rms:.3f} | {errors} | {score.union['all'].mean:.3f} | "
            f"{score.dice[0.2].mean:.3f} | {score.location_mm.mean:.1f} | {seconds:.0f} |"
        )


if __name__ == "__main__":
    main()
