"""Results as files and pictures."""

from gliomap.report.growth_sheet import growth_sheet
from gliomap.report.json_files import plain_json, write_json
from gliomap.report.mass_effect_figure import mass_effect_figure
from gliomap.report.overview import overview_figure
from gliomap.report.result_folder import quality_summary, result_figure, write_result_folder
from gliomap.report.solver_tables import solver_report
from gliomap.report.tables import markdown_table

__all__ = [
    "growth_sheet",
    "markdown_table",
    "mass_effect_figure",
    "overview_figure",
    "plain_json",
    "quality_summary",
    "result_figure",
    "solver_report",
    "write_json",
    "write_result_folder",
]
