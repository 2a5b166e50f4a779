"""What a metric is, in the words that the schema has for it."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from host.result.metrics import Metrics
from host.result.model import Result
from host.result.strict import Unavailable


def definition(name: str) -> str:
    """The definition of one of the eleven metrics, or of a score of the result.

    Args:
        name: such as ``decision_quality`` or ``composite_log``.

    Raises:
        KeyError: there is none of that name.
    """
    in_metrics = name in Metrics.model_fields
    field = (Metrics if in_metrics else Result).model_fields[name]
    if field.description:
        return field.description
    return inspect.getdoc(_figure(field.annotation)) or ""


def _figure(annotation: Any) -> Any:
    """The model of the metric where there is a figure, of it or nothing."""
    kinds = get_args(annotation) or (annotation,)
    return next(kind for kind in kinds if not issubclass(kind, Unavailable))
