"""A record as text: its fields, the digest of the study that it belongs to, and a checksum over both."""

import json
import re
from collections import Counter
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

# of fields, before there was mean IoU
OLD_NAMES = re.compile(rb'"(validation|test|train|target)_accuracy" *:')
WHOLE = re.compile(rb'"sha256":"[0-9a-f]{64}"\}')
"""The end of a line that `seal` wrote; one without was cut short."""


def seal(record: Struct, study: str) -> bytes:
    """Returns a record as a line of JSON; `study` is the digest of its study."""
    table = {**msgspec.to_builtins(record), "study": study}
    return msgspec.json.encode({**table, "sha256": _checksum(table)})


def unseal(content: bytes) -> tuple[dict[str, Any], str | None]:
    """Returns the fields, and the study's digest; None where a version without checksums wrote the record.

    Raises ValueError for text that is damaged or no JSON.
    """
    try:
        content = OLD_NAMES.sub(rb'"\1_score":', content)
        table = msgspec.json.decode(content, type=dict[str, Any])
        json.loads(
            content, object_pairs_hook=_require_single
        )  # of two values, msgspec keeps the last in silence
        if "sha256" not in table and "study" not in table:
            return table, None
        if table.pop("sha256", None) != _checksum(table) or not isinstance(table.get("study"), str):
            raise ValueError("its checksum is not that of its content, so it is damaged")
    except RecursionError as error:
        raise ValueError("it nests without end") from error
    return table, table.pop("study")


def _require_single(fields: list[tuple[str, Any]]) -> None:
    """Raises ValueError for an object that has a field twice, so that readers may differ about its value."""
    if len(dict(fields)) < len(fields):
        ((name, _),) = Counter(name for name, _ in fields).most_common(1)
        raise ValueError(f"the field {name[:80]!r} comes twice")


def _checksum(table: dict[str, Any]) -> str:
    """Returns SHA-256 of the content, however it is laid out as text."""
    return sha256(msgspec.json.encode(table, order="sorted")).hexdigest()
