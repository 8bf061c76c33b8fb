"""function.json: the name and the schemas of a function."""

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject


class FunctionFile(Struct, frozen=True, rename="camel"):
    """The content of function.json. The schemas are JSON Schemas, draft 2020-12."""

    name: str
    input_schema: JsonObject
    output_schema: JsonObject
