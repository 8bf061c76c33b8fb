"""OpenAPI operations as tools: their names, their arguments, and where each argument goes."""

from omnia_core.openapi.api import Api, Omission, read_api
from omnia_core.openapi.operation import ApiKey, Body, Operation, Parameter, Place
from omnia_core.openapi.request import ArgumentUnusable, Request, build_request

__all__ = [
    "Api",
    "ApiKey",
    "ArgumentUnusable",
    "Body",
    "Omission",
    "Operation",
    "Parameter",
    "Place",
    "Request",
    "build_request",
    "read_api",
]
