"""OpenAPI operations as tools: their names, their arguments, and where each argument goes."""

from omnia_core.openapi.api import Api, Omission, read_api
from omnia_core.openapi.operation import Body, Operation, Parameter, Place

__all__ = ["Api", "Body", "Omission", "Operation", "Parameter", "Place", "read_api"]
