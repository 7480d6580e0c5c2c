"""Results as files and pictures."""

from gliofield.report.bayes_folder import bayes_record, write_bayes_folder
from gliofield.report.bayes_tables import bayes_report
from gliofield.report.coverage_figure import coverage_figure, coverage_table
from gliofield.report.database_figure import database_figure, write_database_figure
from gliofield.report.figure_files import FIGURE_SUFFIXES, require_figure_name, write_figure
from gliofield.report.growth_sheet import growth_sheet
from gliofield.report.inverse_figures import dice_levels_figure, pairs_figure
from gliofield.report.inverse_tables import inverse_report, methods_record, methods_report
from gliofield.report.json_files import plain_json, write_json
from gliofield.report.learned_folders import write_inverse_figures, write_surrogate_figures
from gliofield.report.mass_effect_figure import mass_effect_figure
from gliofield.report.notebook import result_html
from gliofield.report.overview import overview_figure
from gliofield.report.posterior_figures import corner_figure, stage_figure
from gliofield.report.result_folder import quality_summary, result_figure, write_result_folder
from gliofield.report.retrieval_figures import (
    best_dice_figure,
    compared_dice_figure,
    learning_figure,
    rank_figure,
    reconstruction_figure,
)
from gliofield.report.retrieval_folder import write_retrieval_folder
from gliofield.report.retrieval_report import retrieval_record, retrieval_report
from gliofield.report.retrieval_sheets import SheetPanel, case_sheet
from gliofield.report.solver_tables import solver_report
from gliofield.report.surrogate_figures import surrogate_dice_figure, surrogate_errors_figure, surrogate_times_figure
from gliofield.report.surrogate_tables import surrogate_record, surrogate_report
from gliofield.report.tables import markdown_table

__all__ = [
    "FIGURE_SUFFIXES",
    "SheetPanel",
    "bayes_record",
    "bayes_report",
    "best_dice_figure",
    "case_sheet",
    "compared_dice_figure",
    "corner_figure",
    "coverage_figure",
    "coverage_table",
    "database_figure",
    "dice_levels_figure",
    "growth_sheet",
    "inverse_report",
    "learning_figure",
    "markdown_table",
    "mass_effect_figure",
    "methods_record",
    "methods_report",
    "overview_figure",
    "pairs_figure",
    "plain_json",
    "quality_summary",
    "rank_figure",
    "reconstruction_figure",
    "require_figure_name",
    "result_figure",
    "result_html",
    "retrieval_record",
    "retrieval_report",
    "solver_report",
    "stage_figure",
    "surrogate_dice_figure",
    "surrogate_errors_figure",
    "surrogate_record",
    "surrogate_report",
    "surrogate_times_figure",
    "write_bayes_folder",
    "write_database_figure",
    "write_figure",
    "write_inverse_figures",
    "write_json",
    "write_result_folder",
    "write_retrieval_folder",
    "write_surrogate_figures",
]
