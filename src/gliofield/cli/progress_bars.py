"""Progress as bars on a terminal: one per task, with its rate and the time left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gliofield.progress import ProgressEvent, Reporter


@contextmanager
def draw_bars(steps: Sequence[str] = ()) -> Iterator[Reporter]:
    """Reporter that draws on stderr; tasks among `steps` are numbered "2/8", those done in one go have no bar."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    def is_counted(task: Task) -> bool:
        return task.total is None or task.total > 1

    class Bar(BarColumn):
        def render(self, task: Task) -> Any:
            return super().render(task) if is_counted(task) else Text("")

    class Count(ProgressColumn):
        """How many of how many, and how many per second, or per minute where that is more telling."""

        def render(self, task: Task) -> Text:
            if not is_counted(task):
                return Text("")
            total = "?" if task.total is None else f"{task.total:.0f}"
            speed = task.finished_speed or task.speed
            rate = "" if not speed else f"  {speed:.3g}/s" if speed >= 1.0 else f"  {60.0 * speed:.3g}/min"
            return Text(f"{task.completed:.0f}/{total}{rate}")

    class Remaining(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return super().render(task) if is_counted(task) and not task.finished else Text("")

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        Bar(),
        Count(),
        TextColumn("{task.fields[message]}", markup=False),
        TimeElapsedColumn(),
        Remaining(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bars:
        tasks: dict[str, Any] = {}

        def report(event: ProgressEvent) -> None:
            total = event.total if event.total > 0 else None
            if event.task not in tasks:
                number = f"{steps.index(event.task) + 1}/{len(steps)} " if event.task in steps else ""
                tasks[event.task] = bars.add_task(f"{number}{event.task}", total=total, message=event.message)
            bars.update(tasks[event.task], completed=event.completed, total=total, message=event.message)

        yield report
