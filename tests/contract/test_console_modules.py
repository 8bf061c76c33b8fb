"""The modules of the console: none imports itself, directly or through others."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "omnia_facade/console/source"
# Types count: where they belong is where their module may import from.
IMPORTED = re.compile(r"""^(?:import|export) [^;"]*?from "(\.[^"]+)";$""", re.MULTILINE)


def module(folder: Path, name: str) -> Path:
    """Return the file that an import in a file of `folder` names."""
    found = [folder / f"{name}{end}" for end in (".ts", ".tsx")]
    [path] = [each.resolve() for each in found if each.exists()]
    return path


def test_no_modules_import_each_other() -> None:
    graph = {
        path: {module(path.parent, name) for name in IMPORTED.findall(path.read_text())}
        for path in SOURCE.rglob("*.ts*")
        if path.suffix in {".ts", ".tsx"} and "node_modules" not in path.parts
    }
    assert sum(map(len, graph.values())) > len(graph)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = [each.relative_to(SOURCE).as_posix() for each in error.args[1]]
        raise AssertionError(" <- ".join(names)) from None
