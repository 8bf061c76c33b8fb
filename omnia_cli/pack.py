"""The commands `omnia pack build`, `show` and `unpack`."""

import enum
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from omnia_core.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="PromptPacks as folders of Markdown files.")


class Output(enum.StrEnum):
    """What `omnia pack build` writes."""

    JSON = "json"
    CONFIGMAP = "configmap"
    HELM = "helm"


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with a pack.yaml.")]


@app.command()
def build(
    folder: Folder,
    output: Annotated[
        Output,
        typer.Option(
            "--output",
            "-o",
            help="The compiled pack; a ConfigMap and a PromptPack for kubectl and kustomize; or "
            "the same for the templates of a Helm chart.",
        ),
    ] = Output.JSON,
) -> None:
    """Compile a folder and print the PromptPack."""
    from omnia_cli.folders.pack import read_pack_folder
    from omnia_cli.folders.pack_objects import for_helm, pack_objects
    from omnia_cli.folders.unpack import yaml_of
    from omnia_cli.manifests import ManifestError
    from omnia_cli.packs import folder_findings

    try:
        pack = read_pack_folder(folder)
        findings = list(folder_findings(pack))
        objects = pack_objects(pack)
    except ManifestError as error:
        _fail(str(error))
    for finding in findings:
        print(finding, file=sys.stderr)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
    if output is Output.JSON:
        print(pack.json())
        return
    text = "---\n".join(map(yaml_of, objects))
    print(for_helm(text) if output is Output.HELM else text, end="")


@app.command()
def show(
    pack: Annotated[
        str,
        typer.Argument(metavar="NAME|FOLDER", help="A PromptPack of the manifests, or a folder."),
    ],
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="NAME=VALUE", help="A variable. May be repeated."),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="The prompt; without it, the one that conversations begin with.")
    ] = "",
    model: Annotated[str, typer.Option(help="Apply the overrides for this model.")] = "",
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", help="Where NAME is; this folder without it."),
    ] = None,
) -> None:
    """Print a composed prompt; on standard error its variables. Exit code 1 when one is missing."""
    from omnia_cli.composed import compose
    from omnia_cli.manifests import ManifestError
    from omnia_core.files.pack import DEFAULT_PROMPT, parse_pack
    from omnia_core.files.pack.composed import GIVEN

    given = dict(_assignment(text) for text in var or ())
    try:
        text, origin = _content(pack, file or [Path()])
        parsed = parse_pack(text, origin)
        found = compose(
            parsed.beginning_with(prompt) if prompt else parsed, DEFAULT_PROMPT, given, model=model
        )
    except (ManifestError, ConfigurationError) as error:
        _fail(str(error) if isinstance(error, ManifestError) else error.message)
    print(found.text)
    for each in found.variables:
        value = "missing" if each.value is None else msgspec.json.encode(each.value).decode()
        whence = "--var" if each.origin == GIVEN else each.origin
        note = f" ({whence})" if whence else ""
        print(f"{each.name}: {each.type} = {value}{note}", file=sys.stderr)
    if found.problems:
        _fail("\n".join(f"error: {problem}" for problem in found.problems))


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(metavar="PACK", help="A compiled PromptPack in JSON.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")],
) -> None:
    """Write a compiled PromptPack as a folder, from which `build` makes the same pack again."""
    from omnia_cli.folders.unpack import unpack as run
    from omnia_cli.manifests import ManifestError
    from omnia_core.files.reading import decode_json, read_text

    try:
        value = decode_json(read_text(str(file)), dict, str(file))
        for written in run(value, folder):
            print(written)
    except ManifestError as error:
        _fail(str(error))
    except (ConfigurationError, OSError) as error:
        _fail(getattr(error, "message", str(error)))


def _content(name: str, paths: Sequence[Path]) -> tuple[str, str]:
    """Return the JSON of a folder or of a PromptPack among the manifests, and what it is."""
    from omnia_cli.folders.pack import is_pack_folder, read_pack_folder
    from omnia_cli.packs import content_of
    from omnia_cli.sources import load

    if is_pack_folder(Path(name)):
        return read_pack_folder(Path(name)).json(), name
    return content_of(name, load(paths)), f'PromptPack "{name}"'


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f'expected NAME=VALUE, found "{text}"', param_hint="--var")
    return name, value


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(1)
