"""The packages of the product."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "omnia_core",
    "omnia_rpc",
    "omnia_operator",
    "omnia_history",
    "omnia_facade",
    "omnia_runtime",
    "omnia_cli",
    "omnia_runner",
    "omnia_tools",
)
