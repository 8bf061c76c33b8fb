"""The mounted files: what is wrong with one is said with its place."""

import os
from pathlib import Path

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import Pricing, ProviderConfig, ProvidersFile
from omnia_core.files.reading import (
    LARGEST_FILE,
    decode_json,
    decode_yaml,
    encode_yaml,
    read_text,
)
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
    with pytest.raises(ConfigurationError, match=r"nothing\.json cannot be read: No such file"):
        read_text(str(tmp_path / "nothing.json"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.json"
    file.write_bytes(b'"Gr\xf6\xdfe"')
    with pytest.raises(ConfigurationError, match=r"cannot be read: it is not text in UTF-8$"):
        read_text(str(file))


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "large"])
def test_only_a_regular_file_of_a_limited_size_is_read(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ConfigurationError, match=f"{path} cannot be read"):
        read_text(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("providers: " + "[" * 60_000, "line 1: it is nested deeper than 200 levels"),
        ("[" + "1," * 1_000_001 + "1]", "more than 1,000,000 values"),
        ("providers: 7", r"Expected `array`, got `int` - at `\$\.providers`"),
    ],
)
def test_a_file_beyond_a_limit_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^providers.yaml: .*{said}"):
        decode_yaml(text, ProvidersFile, "providers.yaml")


def test_json_that_is_nested_too_deeply_is_an_error() -> None:
    text = '{"providers":' + "[" * 300 + "]" * 300 + "}"
    with pytest.raises(ConfigurationError, match="x is nested deeper than 200 levels"):
        decode_json(text, ProvidersFile, "x")
