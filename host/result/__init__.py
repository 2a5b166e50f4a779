"""What a ``result.json`` is: one model of it, its JSON schema, written and read only when valid."""

from host.result.file import RESULT_FILE, read_result, write_checked, write_result
from host.result.model import RESULT_SCHEMA, Result

__all__ = ["RESULT_FILE", "RESULT_SCHEMA", "Result", "read_result", "write_checked", "write_result"]
