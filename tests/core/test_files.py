"""The mounted files: what is wrong with one is said with its place."""

from pathlib import Path

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import Pricing, ProviderConfig, ProvidersFile
from omnia_core.files.reading import decode_yaml, encode_yaml, read_text
from omnia_core.files.tools import HTTPConfig, ToolDefinition, ToolHandler, ToolsFile


def test_tools_and_providers_survive_their_file() -> None:
    tools = ToolsFile(
        [
            ToolHandler(
                name="orders",
                type="http",
                tool=ToolDefinition("lookup", "Look up.", {"type": "object"}),
                http_config=HTTPConfig("http://orders:80/x", query_params=["a"]),
            )
        ]
    )
    providers = ProvidersFile(
        [ProviderConfig("default", "openai", "m", pricing=Pricing(0.1, 0.2), base_url="http://x")]
    )
    assert decode_yaml(encode_yaml(tools), ToolsFile, "tools.yaml") == tools
    assert decode_yaml(encode_yaml(providers), ProvidersFile, "providers.yaml") == providers


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.json cannot be read"):
        read_text(str(tmp_path / "nothing.json"))
