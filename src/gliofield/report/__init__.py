"""Results as files and pictures."""

from gliofield.report.database_figure import database_figure, write_database_figure
from gliofield.report.figure_files import FIGURE_SUFFIXES, require_figure_name, write_figure
from gliofield.report.growth_sheet import growth_sheet
from gliofield.report.json_files import plain_json, write_json
from gliofield.report.notebook import result_html
from gliofield.report.overview import overview_figure
from gliofield.report.posterior_figures import corner_figure, stage_figure
from gliofield.report.result_folder import quality_summary, result_figure, write_result_folder
from gliofield.report.tables import markdown_table

__all__ = [
    "FIGURE_SUFFIXES",
    "corner_figure",
    "database_figure",
    "growth_sheet",
    "markdown_table",
    "overview_figure",
    "plain_json",
    "quality_summary",
    "require_figure_name",
    "result_figure",
    "result_html",
    "stage_figure",
    "write_database_figure",
    "write_figure",
    "write_json",
    "write_result_folder",
]
