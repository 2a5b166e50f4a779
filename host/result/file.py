"""``result.json`` on disk: nothing leaves that the schema does not allow, nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from host.result.model import RESULT_SCHEMA, Result
from toolchain.errors import RunFolderError

RESULT_FILE = "result.json"


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result that the model allows; otherwise as :func:`write_checked`."""
    write_checked(path, result, Result)


def write_checked(path: Path, values: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Write JSON values that a model allows.

    Args:
        path: of the file.
        values: JSON values.
        model: whose schema is published.

    Raises:
        ValueError: the model does not allow them: a field is missing, unknown or out of range. That
            is a defect of what made them, never of the user's.
    """
    text = json.dumps(values, indent=2, allow_nan=False)
    model.model_validate_json(text)
    path.write_text(text + "\n", encoding="utf-8")


def read_result(path: Path) -> dict[str, Any]:
    """Read a ``result.json``, as JSON values.

    Raises:
        RunFolderError: it is not there, is no result, or is one of another schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} cannot be read: {error}",
            hint="'jouleloop report --out DIR' writes it anew where its run folder is whole",
        ) from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != RESULT_SCHEMA:
        made_by = found.get("jouleloop", "unknown") if isinstance(found, dict) else "unknown"
        newer = isinstance(schema, int) and schema > RESULT_SCHEMA
        raise RunFolderError(
            f"{path} has schema {schema!r} (jouleloop {made_by!r}); this version reads schema "
            f"{RESULT_SCHEMA}",
            hint="use the version that made it, or a later one"
            if newer
            else "use the version that made it, or run the command that made it again",
        )
    try:
        Result.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(
            f"{path} is not a result of this version: {where}: {first['msg']} "
            f"({error.error_count()} such places)",
            hint="'jouleloop report --out RUN' writes it anew from the replay's rows",
        ) from error
    result: dict[str, Any] = found
    return result
