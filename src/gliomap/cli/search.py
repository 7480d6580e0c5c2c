"""``gliomap search``: the simulated tumors most like two masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliomap.cli.console import JsonOption, print_result, progress_bars, user_errors


def search(
    database: Annotated[Path, typer.Argument(help="Simulation database.")],
    whole: Annotated[Path, typer.Option(help="Whole-tumor mask in atlas space, any grid.")],
    core: Annotated[Path | None, typer.Option(help="Tumor-core mask in atlas space, any grid.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of hits.")] = 15,
    index: Annotated[
        str | None, typer.Option(help="Index: exact (default), direct, ds64, ds32 (also -antialiased), radiomics.")
    ] = None,
    t1gd_threshold: Annotated[float, typer.Option(help="Density above which T1Gd shows tumor.")] = 0.6,
    flair_threshold: Annotated[float, typer.Option(help="Density above which FLAIR shows tumor.")] = 0.2,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the tumors of a database by Dice(T1Gd) + Dice(FLAIR), nearest first.

    An index is prepared on first use and kept in the user's cache; direct needs none.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliomap.anatomy import segmentation_from_masks
        from gliomap.database import SimulationDatabase
        from gliomap.imaging import VisibilityThresholds
        from gliomap.nifti import read_volume
        from gliomap.retrieval import DEFAULT_INDEX, Query, open_index, require_index_name

        name = index or DEFAULT_INDEX
        require_index_name(name)
        masks = segmentation_from_masks(None if core is None else read_volume(core), read_volume(whole))
        chosen = open_index(
            name,
            SimulationDatabase.open(database),
            thresholds=VisibilityThresholds(t1gd_threshold=t1gd_threshold, flair_threshold=flair_threshold),
            num_threads=threads,
            report=report,
        )
        query = Query.from_segmentation(masks)
        found = chosen.search(query, k, report=report)
        content = {
            "index": name,
            "hits": [
                {
                    "index": hit.index,
                    "distance": hit.distance,
                    "dice_t1gd": hit.dice_t1gd,
                    "dice_flair": hit.dice_flair,
                    "parameters": dict(hit.parameters),
                }
                for hit in found.hits
            ],
            "t1gd_threshold_used": chosen.effective_thresholds.t1gd_threshold,
            "flair_threshold_used": chosen.effective_thresholds.flair_threshold,
        }

    def text() -> str:
        lines = ["  index  distance  Dice T1Gd  Dice FLAIR"]
        for hit in found.hits:
            t1gd = "        –" if hit.dice_t1gd is None else f"{hit.dice_t1gd:9.4f}"
            lines.append(f"{hit.index:7d}  {hit.distance:8.4f}  {t1gd}  {hit.dice_flair:10.4f}")
        if chosen.is_rounded:
            used = chosen.effective_thresholds
            lines.append(f"thresholds rounded to T1Gd {used.t1gd_threshold:.4f}, FLAIR {used.flair_threshold:.4f}")
        return "\n".join(lines)

    print_result(content, as_json=as_json, text=text)
