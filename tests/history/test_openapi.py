"""The document of the history API: valid, and true of what is answered."""

from typing import Any

import jsonschema
import pytest
from aiohttp.test_utils import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from omnia_history.openapi import document
from tests.history.history_bed import api

# A session of the data, and values that each parameter takes.
SESSION = {"id": "s1"}
USERS = "/api/v1/users/"
VALUES = {
    "namespace": ["default"],
    "agent": ["desk"],
    "tag": ["agent", "function"],
    "user": ["mia"],
    "name": ["parcel"],
    "status": ["error", "active"],
    "from": ["2020-01-31"],
    "to": ["2999-01-31"],
    "q": ["hello"],
    "limit": ["1", "100"],
    "sums": ["true", "false"],
    "begun_at": ["2020-01-01T00:00:00Z"],
    "group_by": ["agent", "provider", "model", "day"],
}


async def fetched(client: TestClient[Any, Any], path: str, **query: str) -> tuple[int, Any]:
    async with client.get(path, params=query) as response:
        return response.status, await response.json()


def fits(whole: Any, operation: Any, status: int, answer: Any) -> None:
    """Hold an answer against its schema; a status that the document lacks is an error."""
    content = operation["responses"][str(status)]["content"]
    schema = {**content["application/json"]["schema"], "components": whole["components"]}
    checked = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.FormatChecker(("date", "date-time"))
    )
    checked.validate(answer)


@pytest.mark.parametrize("public", [True, False])
def test_the_document_is_valid(*, public: bool) -> None:
    OpenAPIV31SpecValidator(document("default", public=public)).validate()


async def test_every_operation_answers_as_documented_for_each_of_its_parameters(
    filled: str,
) -> None:
    async with api(filled) as client:
        status, whole = await fetched(client, "/openapi.json")
        assert status == 200
        for path, operations in whole["paths"].items():
            operation = operations["get"]
            queries: list[dict[str, str]] = [{}] + [
                {parameter["name"]: value}
                for parameter in operation["parameters"]
                if parameter["in"] == "query"
                for value in VALUES.get(parameter["name"], ())
            ]
            seen = set()
            for query in queries:
                status, answer = await fetched(client, path.format(**SESSION), **query)
                fits(whole, operation, status, answer)
                seen.add(status)
                if following := answer.get("next"):
                    again = await fetched(client, path.format(**SESSION), **query, cursor=following)
                    fits(whole, operation, *again)
                    assert again[0] == 200
            missing = "{id}" in path and not path.startswith(USERS)
            assert seen == ({200, 404} if missing else {200}), path


async def test_every_refusal_is_documented(filled: str) -> None:
    async with api(filled) as client:
        _, whole = await fetched(client, "/openapi.json")
        for path, operations in whole["paths"].items():
            status, answer = await fetched(client, path.format(**SESSION), unheard_of="1")
            assert status == 400
            fits(whole, operations["get"], status, answer)
            known = answer["detail"].rpartition("expected one of ")[2].split(", ")
            documented = {
                parameter["name"]
                for parameter in operations["get"]["parameters"]
                if parameter["in"] == "query"
            }
            # One session is looked up like a page of its records.
            assert documented == set(known) - (
                {"limit", "cursor"} if path.endswith("{id}") else set()
            )
            if "{id}" in path:
                status, answer = await fetched(client, path.format(id="nobody"))
                assert status == (200 if path.startswith(USERS) else 404)
                fits(whole, operations["get"], status, answer)


async def test_every_address_of_the_api_is_in_the_document(filled: str) -> None:
    async with api(filled) as client:
        assert client.app is not None
        served = {
            resource.canonical
            for resource in client.app.router.resources()
            if resource.canonical.startswith("/api/")
        }
        _, whole = await fetched(client, "/openapi.json")
    assert served == set(whole["paths"])
