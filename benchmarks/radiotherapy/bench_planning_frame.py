"""From the frame of a scan to that of a planning series: the error that is stated, beside the true one.

    python benchmarks/radiotherapy/bench_planning_frame.py

The ICBM152 head is scanned twice: once with a tumor, once turned and moved (6 degrees, 7 mm) and, in the second half,
also bent by up to 4 mm, with a cavity in place of the tumor that has closed by 3 mm. The truth is known everywhere; it
is compared in the brain around the tumor, within 40 mm of its center and outside it.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.spatial.transform import Rotation

from gliofield.anatomy import load_atlas
from gliofield.grid import Grid
from gliofield.radiotherapy.dicom import align
from gliofield.registration import Transform
from gliofield.volume import Volume

CENTER_MM, RADIUS_MM = np.array([32.0, -20.0, 18.0]), 18.0
CONTRASTS = ("T1Gd on T1Gd", "T1Gd on T2")


def main() -> None:
    atlas = load_atlas("mni152")
    maps = atlas.tissue_maps
    inverted = Volume((180.0 * maps.gray_matter + 110.0 * maps.white_matter + 320.0 * maps.csf) * maps.brain, maps.grid)
    distance = np.linalg.norm(_positions(atlas.t1.grid) - CENTER_MM, axis=-1)
    tumor = distance < RADIUS_MM
    scan = Volume(np.where(tumor, atlas.t1.data.max(), atlas.t1.data).astype(np.float32), atlas.t1.grid)
    print("| planning series | bent | alignment | stated, median / 95 % [mm] | true, median / 95 % [mm] | seconds |")
    print("|---|---|---|---|---|---|")
    for contrast, image in zip(CONTRASTS, (atlas.t1, inverted), strict=True):
        resected = Volume(np.where(tumor, 0.25 * float(image.data.max()), image.data).astype(np.float32), image.grid)
        for is_bent in (False, True):
            truth = _truth(is_bent)
            grid = Grid.axis_aligned((104, 124, 100), 1.8, (-94.0, -132.0, -80.0))
            planning = truth.to_patient(resected, grid)
            for is_deformable in (False, True):
                start = time.perf_counter()
                lesion = Volume(tumor, atlas.t1.grid)
                found = align(planning, scan, lesion=lesion, is_deformable=is_deformable)
                seconds = time.perf_counter() - start
                stated = found.residual
                error = _true_error_mm(found.transform, truth)
                words = "-" if stated is None else f"{stated.median_mm:.2f} / {stated.p95_mm:.2f}"
                true = f"{np.median(error):.2f} / {np.percentile(error, 95):.2f}"
                bent = "4 mm" if is_bent else "no"
                print(f"| {contrast} | {bent} | {found.kind} | {words} | {true} | {seconds:.0f} |", flush=True)


def _truth(is_bent: bool) -> Transform:
    """From the planning series to the scan."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [2.0, -3.0, 5.0], degrees=True).as_matrix()
    motion[:3, 3] = (4.0, -5.0, 3.0)
    if not is_bent:
        return Transform.affine(motion)
    grid = Grid.axis_aligned((60, 70, 60), 3.5, (-105.0, -140.0, -90.0))
    points = _positions(grid) - CENTER_MM
    distance = np.linalg.norm(points, axis=-1, keepdims=True)
    fade = np.exp(-((distance / 45.0) ** 2))
    sway = 4.0 * np.sin(points[..., [1, 2, 0]] / 22.0) * np.exp(-((distance / 70.0) ** 2)) / np.sqrt(3.0)
    closing = 3.0 * fade * points / np.maximum(distance, RADIUS_MM)
    return Transform.from_displacement(sway + closing, grid, atlas_from_patient=motion)


def _true_error_mm(found: Transform, truth: Transform) -> np.ndarray:
    grid = Grid.axis_aligned((27, 27, 27), 3.0, CENTER_MM - 39.0)
    points = _positions(grid).reshape(-1, 3)
    distance = np.linalg.norm(points - CENTER_MM, axis=1)
    brain = load_atlas("mni152").tissue_maps
    inside = Volume(brain.brain.astype(np.float32), brain.grid)
    voxels = np.clip(np.rint(inside.grid.voxel_of(points)).astype(int), 0, np.array(inside.grid.shape) - 1)
    shown = (distance > RADIUS_MM + 2.0) & (distance < 40.0) & (inside.data[tuple(voxels.T)] > 0)
    planned = truth.patient_points_of(points[shown])
    return np.linalg.norm(found.atlas_points_of(planned) - truth.atlas_points_of(planned), axis=1)


def _positions(grid: Grid) -> np.ndarray:
    return grid.world_of(np.moveaxis(np.indices(grid.shape), 0, -1))


if __name__ == "__main__":
    main()
