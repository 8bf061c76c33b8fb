"""Turns the operations of an OpenAPI document into tools, and tool arguments into requests."""

from omnia_core.openapi.api import Api, Omission, read_api
from omnia_core.openapi.encoding import decode_document
from omnia_core.openapi.operation import ApiKey, Body, Operation, Parameter, ParameterLocation
from omnia_core.openapi.request import ArgumentUnusable, Request, build_request

__all__ = [
    "Api",
    "ApiKey",
    "ArgumentUnusable",
    "Body",
    "Omission",
    "Operation",
    "Parameter",
    "ParameterLocation",
    "Request",
    "build_request",
    "decode_document",
    "read_api",
]
