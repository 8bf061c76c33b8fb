"""A document that was read is in memory no longer than its reader."""

import gc
import json

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.openapi import read_api
from tests.load.documents import OPENAPI


@pytest.mark.parametrize("only", [[], ["getPet"], ["no such operation"]])
@pytest.mark.parametrize("version", ["3.1.0", "2.0"])
def test_a_document_is_freed_without_the_collector(version: str, only: list[str]) -> None:
    text = json.dumps({**OPENAPI, "openapi": version})
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        try:
            assert read_api(text, "https://a.example/openapi.json", only=only).title == "Pets"
        except ConfigurationError:
            assert version == "2.0"
        gc.collect()
        assert not [each for each in gc.garbage if isinstance(each, dict) and "openapi" in each]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
