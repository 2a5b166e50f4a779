"""Report: the result in the terminal and as one HTML page."""

from host.report.console import REPORT_FILE, RESULT_FILE, print_result
from host.report.figures import assumed_text, format_value, typeset, typeset_spread
from host.report.page import Evidence, page_environment, render

__all__ = [
    "REPORT_FILE",
    "RESULT_FILE",
    "Evidence",
    "assumed_text",
    "format_value",
    "page_environment",
    "print_result",
    "render",
    "typeset",
    "typeset_spread",
]
