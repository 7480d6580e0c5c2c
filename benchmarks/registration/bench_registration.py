"""Registrations beside each other: what each does to anatomy and tumor, and what it costs.

    python benchmarks/registration/bench_registration.py [--rows fast affine …] [--virtual 20] [--tune] [--data DATA]

Virtual patients are MNI152, deformed by a known map and painted with a tumor; they are registered with MNI152, so that
the error of every point is known. Real patients are registered with SRI24, without a truth. `--tune` takes other
virtual patients than the table, to choose settings by. Each row runs in a process of its own, so that its memory is
its own. Rows that need a package which is not there (picsl-greedy, dipy) are left out, with a word. Prints two Markdown
tables: means over the patients with standard errors, seconds as medians; CPU seconds count all threads and processes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipeline"))
from bench_patients import default_data, patient_files

from gliofield.anatomy import Atlas, label_scheme, load_atlas, segmentation_from_labels
from gliofield.pipeline import Case, read_case
from gliofield.progress import Reporter
from gliofield.registration import (
    Alignment,
    ImagePair,
    Levels,
    RegistrationBackend,
    RegistrationPreset,
    RegistrationResult,
    SynSettings,
    Transform,
    read_displacement,
    register,
    registration_preset,
    registration_quality,
)
from gliofield.registration.ants_backend import AntsBackend
from gliofield.virtual.brain import Resolution, random_deformation
from gliofield.virtual.patient import VirtualTumor, make_virtual_patient
from gliofield.volume import Volume

_DEFORMATION_MM = 5.0
# Ventricles: CSF this deep below the surface of the brain [mm].
_VENTRICLE_DEPTH_MM = 20.0
_FIRST_TUNE_SEED = 1000
_COLUMNS = ("tumor_mm", "ventricle_mm", "brain", "tissue", "folds", "whole", "core", "seconds", "cpu", "memory_mb")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A recipe, the program that follows it, and whether it must be the same to the last bit."""

    preset: RegistrationPreset
    backend: str | RegistrationBackend = "ants"
    deterministic: bool = False


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """picsl-greedy: affine by normalized mutual information, then by cross-correlation of small windows."""

    window: int
    iterations: str = "60x40"
    name: str = "greedy"

    def align(
        self,
        pair: ImagePair,
        preset: RegistrationPreset,
        *,
        seed: int,
        deterministic: bool,
        num_threads: int,
        report: Reporter,
    ) -> Alignment:
        """See `RegistrationBackend.align`."""
        from picsl_greedy import Greedy3D

        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for key in ("patient", "atlas", "metric_region"):
                image = getattr(pair, key)
                nib.save(
                    nib.Nifti1Image(image.data.astype(np.float32), image.grid.world_from_voxel), folder / f"{key}.nii"
                )
            images = (
                f"-i {folder}/patient.nii {folder}/atlas.nii -gm {folder}/metric_region.nii -threads {num_threads} -V 0"
            )
            Greedy3D().execute(f"-d 3 -a -dof 12 -m NMI {images} -n 100x50 -ia-image-centers -o {folder}/affine.mat")
            fields = f"-o {folder}/warp.nii -oinv {folder}/inverse.nii -s 2vox 1vox"
            windows = "x".join([str(self.window)] * 3)
            fields += f" -it {folder}/affine.mat -n {self.iterations}"
            Greedy3D().execute(f"-d 3 -m NCC {windows} {images} {fields}")
            displacement, grid = read_displacement(folder / "warp.nii")
            inverse, _ = read_displacement(folder / "inverse.nii")
            transform = Transform(
                atlas_from_patient=np.loadtxt(folder / "affine.mat"),
                displacement_mm=displacement,
                inverse_displacement_mm=inverse,
                displacement_grid=grid,
            )
        return Alignment(transform=transform, seconds={"greedy": time.perf_counter() - begin}, versions={})


@dataclass(frozen=True, kw_only=True)
class DipyAffine:
    """DIPY's affine by mutual information, from centers of mass; the same to the last bit by nature."""

    name: str = "dipy"

    def align(
        self,
        pair: ImagePair,
        preset: RegistrationPreset,
        *,
        seed: int,
        deterministic: bool,
        num_threads: int,
        report: Reporter,
    ) -> Alignment:
        """See `RegistrationBackend.align`."""
        from dipy.align import affine_registration

        begin = time.perf_counter()
        _, affine = affine_registration(
            pair.atlas.data,
            pair.patient.data,
            moving_affine=pair.atlas.grid.world_from_voxel,
            static_affine=pair.patient.grid.world_from_voxel,
            static_mask=pair.metric_region.data.astype(np.int32),
            pipeline=["center_of_mass", "rigid", "affine"],
            level_iters=[100, 50],
            sigmas=[2.0, 1.0],
            factors=[4, 2],
        )
        return Alignment(transform=Transform.affine(affine), seconds={"dipy": time.perf_counter() - begin}, versions={})


@dataclass(frozen=True, kw_only=True)
class DipyCorrelation:
    """ANTs' affine, then DIPY's SyN by local cross-correlation at 8, 4 and 2 mm, on one thread and without sampling."""

    radius: int = 2
    name: str = "dipy, correlation"

    def align(
        self,
        pair: ImagePair,
        preset: RegistrationPreset,
        *,
        seed: int,
        deterministic: bool,
        num_threads: int,
        report: Reporter,
    ) -> Alignment:
        """See `RegistrationBackend.align`."""
        from dipy.align.imwarp import SymmetricDiffeomorphicRegistration

        found = AntsBackend().align(
            pair,
            registration_preset("affine"),
            seed=seed,
            deterministic=deterministic,
            num_threads=num_threads,
            report=report,
        )
        begin = time.perf_counter()
        grid = pair.patient.grid
        # The affine comes last: DIPY sees an atlas that is aligned, on the patient's grid.
        atlas = found.transform.to_patient(pair.atlas, grid)
        metric = _correlation_outside_lesion(pair.metric_region, self.radius)
        deformed = SymmetricDiffeomorphicRegistration(metric, level_iters=[40, 20, 5]).optimize(
            pair.patient.data,
            atlas.data,
            static_grid2world=grid.world_from_voxel,
            moving_grid2world=grid.world_from_voxel,
        )
        transform = Transform(
            atlas_from_patient=found.transform.atlas_from_patient,
            displacement_mm=np.asarray(deformed.get_forward_field(), dtype=np.float32),
            inverse_displacement_mm=np.asarray(deformed.get_backward_field(), dtype=np.float32),
            displacement_grid=grid,
        )
        seconds = {**found.seconds, "deformable": time.perf_counter() - begin}
        return Alignment(transform=transform, seconds=seconds, versions=found.versions)


def _correlation_outside_lesion(region: Volume, radius: int) -> Any:
    """DIPY's cross-correlation without forces in the lesion, which follows the patient into the middle space."""
    from dipy.align.metrics import CCMetric

    class CorrelationOutsideLesion(CCMetric):  # type: ignore[misc]
        def use_static_image_dynamics(self, original_static_image: Any, transformation: Any) -> None:
            self.weight = transformation.transform(
                region.data.astype(np.float32),
                interpolation="linear",
                image_world2grid=region.grid.voxel_from_world,
                out_shape=np.array(self.static_image.shape, dtype=np.int32),
                out_grid2world=self.static_affine,
            )

        def compute_forward(self) -> NDArray[np.float32]:
            return np.asarray(super().compute_forward() * self.weight[..., None])

        def compute_backward(self) -> NDArray[np.float32]:
            return np.asarray(super().compute_backward() * self.weight[..., None])

    return CorrelationOutsideLesion(3, radius=radius)


def rows() -> dict[str, Row]:
    """The rows of the table by name."""
    fast = registration_preset("fast")
    assert fast.affine is not None
    assert fast.deformable is not None

    def affine(**changes: Any) -> RegistrationPreset:
        assert fast.affine is not None
        return dataclasses.replace(fast, affine=dataclasses.replace(fast.affine, **changes))

    def syn(given: SynSettings | None = None, **changes: Any) -> RegistrationPreset:
        assert fast.deformable is not None
        return dataclasses.replace(fast, deformable=dataclasses.replace(given or fast.deformable, **changes))

    eight = Levels(iterations=(40,), shrink_factors=(4,), smoothing_voxels=(2.0,))
    two = Levels(iterations=(40, 20), shrink_factors=(4, 2), smoothing_voxels=(2.0, 1.0))
    three = Levels(iterations=(50, 20, 5), shrink_factors=(4, 2, 1), smoothing_voxels=(2.0, 1.0, 0.0))
    correlation = SynSettings(metric="cross-correlation", metric_parameter=2, levels=two, gradient_step=0.25)
    former = dataclasses.replace(affine(sampling_fraction=0.5), deformable=syn(levels=eight).deformable)
    return {
        "affine": Row(preset=registration_preset("affine")),
        "fast": Row(preset=fast),
        "fast, deterministic": Row(preset=fast, deterministic=True),
        "half of the voxels, SyN at 8 mm (fast of before)": Row(preset=former),
        "half of the voxels": Row(preset=affine(sampling_fraction=0.5)),
        "a quarter of the voxels": Row(preset=affine(sampling_fraction=0.25)),
        "a fiftieth of the voxels": Row(preset=affine(sampling_fraction=0.02)),
        "SyN at 8 mm": Row(preset=syn(levels=eight)),
        "SyN at 8 and 4 mm, 40 + 20 iterations": Row(preset=syn(levels=two)),
        "correlation at 8 and 4 mm": Row(preset=syn(correlation)),
        "correlation at 8 and 4 mm, smoothed": Row(preset=syn(correlation, total_variance_voxels2=0.5)),
        "correlation at 8, 4 and 2 mm": Row(preset=syn(correlation, metric_parameter=4, levels=three)),
        "greedy at 8 and 4 mm": Row(preset=fast, backend=Greedy(window=2, iterations="60x40x0")),
        "greedy at 8, 4 and 2 mm": Row(preset=fast, backend=Greedy(window=2, iterations="60x40x10")),
        "greedy at 4 and 2 mm": Row(preset=fast, backend=Greedy(window=2)),
        "DIPY, affine": Row(preset=registration_preset("affine"), backend=DipyAffine()),
        "DIPY, correlation at 8, 4 and 2 mm": Row(preset=fast, backend=DipyCorrelation()),
        "papers": Row(preset=registration_preset("papers")),
    }


def registered(row: Row, case: Case, atlas: Atlas, threads: int) -> tuple[RegistrationResult, dict[str, float]]:
    """A registration with its cost."""
    before, begin = _cpu_seconds(), time.perf_counter()
    found = register(
        patient_image=case.structural_image,
        atlas_image=atlas.t1,
        patient_brain=Volume(case.brain, case.grid),
        lesion=Volume(case.segmentation.whole_tumor, case.grid),
        preset=row.preset,
        backend=row.backend,
        deterministic=row.deterministic,
        num_threads=threads,
    )
    return found, {"seconds": time.perf_counter() - begin, "cpu": _cpu_seconds() - before}


def measured(row: Row, case: Case, atlas: Atlas, threads: int, truth: Transform | None) -> dict[str, float | None]:
    """One line: agreement of brain and tissue, folds, volumes beside the brain's (and the truth's), errors, cost."""
    found, cost = registered(row, case, atlas, threads)
    quality = registration_quality(
        found.transform,
        patient_image=case.structural_image,
        patient_brain=Volume(case.brain, case.grid),
        atlas_brain=Volume(atlas.tissue_maps.brain, atlas.grid),
        atlas_tissues=atlas.tissue_maps,
        tumor_core=Volume(case.segmentation.tumor_core, case.grid),
        whole_tumor=Volume(case.segmentation.whole_tumor, case.grid),
    )
    ratio = quality.affine_volume_ratio
    values: dict[str, float | None] = {
        "brain": quality.brain_overlap,
        "tissue": None if quality.tissue_overlap is None else quality.tissue_overlap["mean"],
        "folds": quality.num_folds,
        "whole": None if quality.whole_volume_ratio is None else quality.whole_volume_ratio / ratio,
        "core": None if quality.core_volume_ratio is None else quality.core_volume_ratio / ratio,
    }
    if truth is not None:
        # What the deformation does to a tumor is no error.
        jacobian = truth.jacobian_determinant(case.grid).data / truth.affine_volume_ratio
        for key, mask in (("whole", case.segmentation.whole_tumor), ("core", case.segmentation.tumor_core)):
            if (ratio_found := values[key]) is not None:
                values[key] = ratio_found / float(jacobian[mask].mean(dtype=np.float64))
        values["tumor_mm"] = _mean_error_mm(found.transform, truth, case.segmentation.whole_tumor, case)
        values["ventricle_mm"] = _mean_error_mm(found.transform, truth, _ventricle_wall(truth, atlas, case), case)
    return {**values, **cost}


def _mean_error_mm(found: Transform, truth: Transform, mask: NDArray[np.bool_], case: Case) -> float:
    """Mean distance in the atlas of where both maps take the voxels of a mask [mm]."""
    points = case.grid.world_of(np.argwhere(mask))
    return float(np.linalg.norm(found.atlas_points_of(points) - truth.atlas_points_of(points), axis=1).mean())


def _ventricle_wall(truth: Transform, atlas: Atlas, case: Case) -> NDArray[np.bool_]:
    """Surface of the CSF deep in the brain, as the truth brings it to the patient."""
    csf = truth.to_patient(Volume(atlas.tissue_maps.csf, atlas.grid), case.grid).data > 0.5
    deep = ndimage.distance_transform_edt(case.brain, sampling=case.grid.spacing_mm) > _VENTRICLE_DEPTH_MM
    inside = csf & deep & ~case.segmentation.whole_tumor
    return np.asarray(inside & ~ndimage.binary_erosion(inside))


def virtual_cases(seeds: Sequence[int], atlas: Atlas) -> Iterator[tuple[Case, Transform]]:
    """Virtual patients with the map that made them."""
    for seed in seeds:
        truth = random_deformation(atlas, Resolution().image_grid, _DEFORMATION_MM, np.random.default_rng(seed))
        # The deformation is the first thing that is drawn.
        drawn = make_virtual_patient(
            atlas, rng=np.random.default_rng(seed), tumor=VirtualTumor(), deformation_mm=_DEFORMATION_MM
        )
        segmentation = segmentation_from_labels(drawn.labels, scheme=label_scheme("brats2023"))
        yield (
            Case(
                images=drawn.images,
                segmentation=segmentation,
                brain=drawn.brain | segmentation.whole_tumor,
                stored_grid=drawn.stored_grid,
                file_hashes={},
            ),
            truth,
        )


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def run_row(name: str, arguments: argparse.Namespace) -> dict[str, list[dict[str, float | None]]]:
    """All lines of a row, in this process."""
    row = rows()[name]
    found: dict[str, list[dict[str, float | None]]] = {"virtual": [], "real": []}
    first = _FIRST_TUNE_SEED if arguments.tune else 0
    atlas = load_atlas("mni152")
    for case, truth in virtual_cases(range(first, first + arguments.virtual), atlas):
        found["virtual"].append(measured(row, case, atlas, arguments.threads, truth))
    if not arguments.no_real:
        atlas = load_atlas("sri24")
        for files in patient_files(arguments.data).values():
            found["real"].append(measured(row, read_case(files), atlas, arguments.threads, None))
    # What the parent holds (atlas, patient, measures) counts for programs that run in it.
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    for line in (*found["virtual"], *found["real"]):
        line["memory_mb"] = memory
    return found


def table(title: str, results: dict[str, list[dict[str, float | None]]]) -> str:
    """Markdown: one line per row, means with standard errors; seconds and memory as medians."""
    shown = [column for column in _COLUMNS if any(column in line for lines in results.values() for line in lines)]
    text = [title, "", "| registration | n | " + " | ".join(shown) + " |", "|---" * (len(shown) + 2) + "|"]
    for name, lines in results.items():
        cells = [_cell(column, [line[column] for line in lines if line.get(column) is not None]) for column in shown]
        text.append(f"| {name} | {len(lines)} | " + " | ".join(cells) + " |")
    return "\n".join(text) + "\n"


def _cell(column: str, values: list[Any]) -> str:
    if not values:
        return ""
    if column in ("seconds", "cpu", "memory_mb"):
        return f"{statistics.median(values):.1f}" if column != "memory_mb" else f"{statistics.median(values):.0f}"
    if column == "folds":
        return str(int(sum(values)))
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):.3f} ± {error:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", nargs="+", default=[name for name in rows() if name != "papers"], choices=list(rows())
    )
    parser.add_argument("--virtual", type=int, default=20, help="Number of virtual patients.")
    parser.add_argument("--tune", action="store_true", help="Other virtual patients, to choose settings by.")
    parser.add_argument("--no-real", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_row(arguments.one, arguments)))
        return
    results: dict[str, dict[str, list[dict[str, float | None]]]] = {"virtual": {}, "real": {}}
    for name in arguments.rows:
        ended = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one", name], capture_output=True, text=True)
        if ended.returncode != 0:
            print(f"left out: {name} ({ended.stderr.strip().splitlines()[-1]})", file=sys.stderr)
            continue
        for kind, lines in json.loads(ended.stdout.splitlines()[-1]).items():
            results[kind][name] = lines
        print(f"done: {name}", file=sys.stderr)
    print(table("Virtual patients with MNI152, truth known.", results["virtual"]))
    if not arguments.no_real:
        print(table("Real patients with SRI24.", results["real"]))


if __name__ == "__main__":
    main()
