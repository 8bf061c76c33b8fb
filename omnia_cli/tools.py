"""The commands about folders of tools in Python."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Folders of tools in Python.")


@app.command()
def build(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder with a toolserver.yaml.")
    ],
    image: Annotated[
        str,
        typer.Option(
            help="In place of that of toolserver.yaml; for example REGISTRY/omnia-runtime:VERSION."
        ),
    ] = "",
) -> None:
    """Print what serves the tools in a cluster: ConfigMap, Deployment, Service, ToolRegistry."""
    from omnia_cli.folders.tool_server import read_tool_folder, tool_objects
    from omnia_cli.folders.unpack import yaml_of
    from omnia_cli.manifests import ManifestError

    try:
        objects = tool_objects(read_tool_folder(folder), image=image)
    except ManifestError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print("---\n".join(map(yaml_of, objects)), end="")
