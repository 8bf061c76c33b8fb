"""The keywords of JSON Schema whose values are schemas. All others hold data.

Those of 2020-12, and `definitions` of the drafts before. In data a "$ref" is not a reference.
"""

# A schema.
ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
# A list of schemas.
LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
# Schemas by name.
BY_NAME = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
