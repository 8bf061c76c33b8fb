"""Schemathesis reads the function's own document, calls it in every way, and finds nothing."""

import asyncio
import sys
from pathlib import Path

import pytest

from omnia_core.files.auth import AuthFile, ClientKeyAuth
from omnia_core.jsonvalue import JsonObject
from tests.facade.auth_files import Mounted
from tests.facade.functions_bed import FunctionRuntime, function

KEY = "the-key-of-schemathesis"
# The fuzzer uses an Idempotency-Key again with another body, for which there is 422.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = [200, 422]
"""
ORDER: JsonObject = {
    "type": "object",
    "required": ["customer", "lines"],
    "additionalProperties": False,
    "properties": {
        "customer": {"$ref": "#/$defs/customer"},
        "lines": {"type": "array", "minItems": 1, "maxItems": 5, "items": {"$ref": "#line"}},
        "note": {"type": ["string", "null"], "maxLength": 50},
        "due": {"type": "string", "format": "date"},
        "priority": {"enum": ["low", "high", 1, None]},
        "rush": {"type": "boolean"},
    },
    "$defs": {
        "customer": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$"},
                "parent": {"$ref": "#/$defs/customer"},
            },
        },
        "line": {
            "$anchor": "line",
            "type": "object",
            "required": ["amount"],
            "properties": {
                "amount": {"type": "integer", "minimum": 1, "maximum": 1000},
                "price": {"type": "number", "exclusiveMinimum": 0},
            },
        },
    },
}
TOTAL: JsonObject = {
    "type": "object",
    "required": ["total"],
    "properties": {"total": {"type": "number"}, "parts": {"$ref": "#"}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("examples", "more"),
    [
        (40, ["--seed=1"]),
        pytest.param(
            2000,
            ["--max-time=180"],
            marks=[pytest.mark.soak, pytest.mark.timeout(600)],
            id="three minutes",
        ),
    ],
)
async def test_it_finds_nothing(tmp_path: Path, examples: int, more: list[str]) -> None:
    mounted = Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    mounted.client_key("schemathesis", KEY)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    runtime = FunctionRuntime(output_json='{"total":1.5,"parts":{"total":1}}')
    schemas = {"inputSchema": ORDER, "outputSchema": TOTAL}
    async with function(
        runtime,
        tmp_path,
        schemas=schemas,
        allow_unauthenticated=False,
        auth_path=str(mounted.auth),
        auth_secrets_path=str(mounted.secrets),
    ) as facade:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={config}",
            "run",
            f"{facade.http}/openapi.json",
            f"--header=Authorization: Bearer {KEY}",
            f"--max-examples={examples}",
            "--checks=all",
            "--generation-database=none",
            "--warnings=off",
            *more,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert "No issues found" in said.decode()
    # some of what it sends is good
    assert runtime.invoked
