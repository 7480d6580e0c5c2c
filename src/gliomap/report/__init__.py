"""Results as files and pictures."""

from gliomap.report.growth_sheet import growth_sheet
from gliomap.report.json_files import plain_json, write_json
from gliomap.report.overview import overview_figure
from gliomap.report.result_folder import quality_summary, result_figure, write_result_folder

__all__ = [
    "growth_sheet",
    "overview_figure",
    "plain_json",
    "quality_summary",
    "result_figure",
    "write_json",
    "write_result_folder",
]
