"""Reads documents of strangers as one of the programs does, and reports what it took.

Called as `python -m tests.load.document_reader PROGRAM`. Each request on the standard input is a
line `READER SIZE` and SIZE bytes; each answer is a line of JSON with the fields of `Reading`.
"""

# ruff: noqa: PLC0415 - a program has only the modules that it uses in memory

import faulthandler
import importlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

MIB = 1024 * 1024
CPU_SECONDS = 20.0
Reader = Callable[[bytes], object]


class Reading(msgspec.Struct, frozen=True):
    """The outcome of one document.

    Attributes:
        outcome: "value", "refused" (with an error of the project), or the unexpected error.
        seconds: CPU time.
        megabytes: the largest resident set of the process meanwhile.
    """

    outcome: str
    seconds: float
    megabytes: float


def _operator() -> dict[str, Reader]:
    from lightkube.core import decoders

    from omnia_core.documents import FILE_LIMITS, read_document
    from omnia_core.files.pack import parse_pack
    from omnia_core.jsonschema import compile_schema
    from omnia_core.openapi import decode_document
    from omnia_operator import api
    from omnia_operator.api.toolconfig import OpenApiConfig
    from omnia_operator.cluster.decoding import read_any_depth
    from omnia_operator.discovery.openapi import read

    # What the operator has in memory beside its readers.
    importlib.import_module("omnia_operator.app")
    every = OpenApiConfig(spec_url="https://a.example/openapi.json")
    some = every.model_copy(update={"operation_filter": ("get_0", "getPet")})

    # As the operator does for everything that the API server says.
    read_any_depth()

    def resource(content: bytes) -> object:
        return api.parse(decoders.json_decode(content, type=dict))

    def schema(content: bytes) -> object:
        value = read_document(decode_document(content), FILE_LIMITS)
        return compile_schema(value if isinstance(value, dict) else {"const": value})

    return {
        "resource": resource,
        "pack": lambda content: parse_pack(content.decode()),
        "schema": schema,
        "openapi": lambda content: read(decode_document(content), every),
        "filtered-openapi": lambda content: read(decode_document(content), some),
    }


def _runtime() -> dict[str, Reader]:
    from omnia_core.documents import FILE_LIMITS, read_document
    from omnia_core.files.pack import parse_pack
    from omnia_core.files.pack.compiled import compile_prompt
    from omnia_core.files.providers import ProvidersFile
    from omnia_core.files.reading import decode_yaml
    from omnia_core.files.tools import ToolHandler
    from omnia_core.jsonschema import compile_server_schema
    from omnia_core.jsonvalue import JsonObject
    from omnia_core.openapi import decode_document, read_api
    from omnia_runtime.tools.coercion import coerce
    from omnia_runtime.tools.handlers import read_handlers

    importlib.import_module("omnia_runtime.app")
    where = "https://a.example/openapi.json"
    folder = tempfile.mkdtemp(prefix="omnia-documents-")

    def tools(content: bytes) -> list[ToolHandler]:
        file = Path(folder) / "tools.yaml"
        file.write_bytes(content)
        return read_handlers(str(file))[0]

    def pack(content: bytes) -> object:
        return compile_prompt(parse_pack(content.decode()), "default", None)

    def schema(content: bytes) -> object:
        value = read_document(decode_document(content), FILE_LIMITS)
        given: JsonObject = value if isinstance(value, dict) else {"enum": value}
        compiled, skipped = compile_server_schema(given)
        # A model's arguments may be anything; a schema is at hand.
        coerced = coerce(given, given)
        return skipped, compiled.violations(coerced)

    return {
        "tools": tools,
        "providers": lambda content: decode_yaml(content.decode(), ProvidersFile, "providers.yaml"),
        "pack": pack,
        "schema": schema,
        "openapi": lambda content: read_api(decode_document(content), where),
        "filtered-openapi": lambda content: read_api(
            decode_document(content), where, only=["get_0", "getPet"]
        ),
    }


def _cli() -> dict[str, Reader]:
    from omnia_cli.validate import validate

    folder = tempfile.mkdtemp(prefix="omnia-documents-")

    def manifests(content: bytes) -> object:
        file = Path(folder) / "manifests.yaml"
        file.write_bytes(content)
        return validate([file], references=True)

    return {"manifests": manifests}


PROGRAMS: dict[str, Callable[[], dict[str, Reader]]] = {
    "operator": _operator,
    "runtime": _runtime,
    "cli": _cli,
}


def _expected() -> tuple[type[Exception], ...]:
    """Return the errors with which a reader may refuse a document."""
    from omnia_core.documents import DocumentInvalid
    from omnia_core.errors import ConfigurationError
    from omnia_core.jsonschema import SchemaInvalid

    own: tuple[type[Exception], ...] = (ConfigurationError, DocumentInvalid, SchemaInvalid)
    if "omnia_operator" in sys.modules:
        from omnia_operator.api import InvalidResource

        own = (*own, InvalidResource)
    # Bytes that are no text, or no object, end before the readers: at the API server, or in a file.
    return (*own, UnicodeDecodeError, msgspec.DecodeError)


def _peak() -> float:
    (line,) = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) / 1024


def _read(reader: Reader, content: bytes, expected: tuple[type[Exception], ...]) -> Reading:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    began = time.process_time()
    # The program ends where it is, with the stack, if a document takes longer.
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        reader(content)
        outcome = "value"
    except expected:
        outcome = "refused"
    except Exception as error:  # noqa: BLE001 - the test fails with its name
        outcome = f"{type(error).__name__}: {str(error)[:300]}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    return Reading(outcome, time.process_time() - began, _peak())


def main() -> None:
    """Answer until the end of the input."""
    faulthandler.register(signal.SIGPROF, chain=True)
    readers = PROGRAMS[sys.argv[1]]()
    expected = _expected()
    while line := sys.stdin.buffer.readline():
        name, size = line.split()
        content = sys.stdin.buffer.read(int(size))
        answer = _read(readers[name.decode()], content, expected)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
