"""Report: the result in the terminal and as one HTML page."""

from host.report.console import REPORT_FILE, RESULT_FILE, print_result
from host.report.figures import assumed_text, format_value
from host.report.page import TEMPLATES, render

__all__ = [
    "REPORT_FILE",
    "RESULT_FILE",
    "TEMPLATES",
    "assumed_text",
    "format_value",
    "print_result",
    "render",
]
