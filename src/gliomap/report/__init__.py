"""Results as files and pictures."""

from gliomap.report.coverage_figure import coverage_figure, coverage_table
from gliomap.report.database_figure import database_figure, write_database_figure
from gliomap.report.figure_files import FIGURE_SUFFIXES, require_figure_name, write_figure
from gliomap.report.growth_sheet import growth_sheet
from gliomap.report.json_files import plain_json, write_json
from gliomap.report.mass_effect_figure import mass_effect_figure
from gliomap.report.overview import overview_figure
from gliomap.report.result_folder import quality_summary, result_figure, write_result_folder
from gliomap.report.solver_tables import solver_report
from gliomap.report.tables import markdown_table

__all__ = [
    "FIGURE_SUFFIXES",
    "coverage_figure",
    "coverage_table",
    "database_figure",
    "growth_sheet",
    "markdown_table",
    "mass_effect_figure",
    "overview_figure",
    "plain_json",
    "quality_summary",
    "require_figure_name",
    "result_figure",
    "solver_report",
    "write_database_figure",
    "write_figure",
    "write_json",
    "write_result_folder",
]
