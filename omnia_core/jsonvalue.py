"""The shape of JSON values, where a dict is the honest type: schemas, payloads, manifests."""

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
