"""Volumes as private folders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omnia_cli.local.objects import CannotRun, Key, Objects, Paths
from omnia_core.jsonvalue import JsonObject


@dataclass(frozen=True)
class Mount:
    """Where a container sees a volume."""

    volume: str
    path: str
    sub_path: str = ""


@dataclass(frozen=True)
class Folders:
    """The files to write, by absolute path, the folders to make, and where the mount paths lead."""

    files: Mapping[Path, bytes]
    empty: tuple[Path, ...]
    paths: Paths
    notes: tuple[str, ...] = field(default=())


def place(
    volumes: list[JsonObject],
    mounts: list[Mount],
    root: Path,
    shared: Path,
    namespace: str,
    objects: Objects,
) -> Folders:
    """Give each volume a folder: below `root` when it is written here, else below `shared`.

    Containers of one pod have the same `shared`, as they have the same volumes.

    Raises:
        CannotRun: a volume's ConfigMap or Secret is not there.
    """
    files: dict[Path, bytes] = {}
    empty: list[Path] = []
    notes: list[str] = []
    places: dict[str, Path] = {}
    used = {mount.volume for mount in mounts}
    for volume in volumes:
        if volume["name"] not in used:
            continue
        folder = (root if _is_written(volume) else shared) / volume["name"]
        places[volume["name"]] = folder
        empty.append(folder)
        contents, note = _contents(volume, namespace, objects)
        files |= {folder / name: content for name, content in contents.items()}
        notes += [note] if note else []
    paths = {
        mount.path.rstrip("/"): str(places.get(mount.volume, root / mount.volume) / mount.sub_path)
        for mount in mounts
    }
    return Folders(files, tuple(empty), Paths(paths), tuple(notes))


def _is_written(volume: JsonObject) -> bool:
    """Whether a volume's files come from objects, with the addresses of this machine in them."""
    return any(kind in volume for kind in ("configMap", "secret", "projected"))


def _contents(
    volume: JsonObject, namespace: str, objects: Objects
) -> tuple[Mapping[str, bytes], str]:
    name = volume["name"]
    if source := volume.get("configMap"):
        key = (namespace, str(source.get("name")))
        return _chosen(objects.config_maps, key, source, f"ConfigMap of volume {name}"), ""
    if source := volume.get("secret"):
        key = (namespace, str(source.get("secretName")))
        return _chosen(objects.secrets, key, source, f"Secret of volume {name}"), ""
    if source := volume.get("projected"):
        return _projected(name, source, namespace, objects)
    if "emptyDir" in volume:
        return {}, ""
    kinds = ", ".join(key for key in volume if key != "name")
    return {}, f'volume "{name}": an empty folder stands in for {kinds}'


def _projected(
    name: str, projected: JsonObject, namespace: str, objects: Objects
) -> tuple[Mapping[str, bytes], str]:
    files: dict[str, bytes] = {}
    missing: list[str] = []
    for projection in projected.get("sources") or []:
        if source := projection.get("configMap"):
            key = (namespace, str(source.get("name")))
            what = f"ConfigMap of volume {name}"
            files |= _chosen(objects.config_maps, key, source, what)
        elif source := projection.get("secret"):
            key = (namespace, str(source.get("name")))
            files |= _chosen(objects.secrets, key, source, f"Secret of volume {name}")
        else:
            missing += projection
    note = f'volume "{name}": only a cluster has {", ".join(missing)}' if missing else ""
    return files, note


def _chosen(
    where: Mapping[Key, Mapping[str, bytes]], key: Key, source: JsonObject, what: str
) -> Mapping[str, bytes]:
    if key not in where:
        if source.get("optional"):
            return {}
        raise CannotRun(f'{what}: "{key[1]}" is not among the manifests')
    data = where[key]
    if "items" not in source:
        return data
    missing = [item["key"] for item in source["items"] if item["key"] not in data]
    if missing and not source.get("optional"):
        raise CannotRun(f'{what}: "{key[1]}" has no key {", ".join(missing)}')
    return {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}
