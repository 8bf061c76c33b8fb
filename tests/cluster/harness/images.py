"""The images of the project, of the base that they stand on, and of the pause container."""

import contextlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness import pip_settings
from tests.cluster.harness.build import PAUSE, build, program
from tests.cluster.harness.commands import Argument, run, succeeds
from tests.cluster.harness.console import say, step
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.paths import ROOT, Layout
from tests.cluster.harness.requirements import FOR_IMAGES, need_programs, need_root

PAUSE_IMAGE = "localhost/omnia-pause:3"
NAMES = ("operator", "facade", "runtime")
LARGEST_MEGABYTES = 145  # of an image above its base

# What stands in for python:3.13-slim where no registry can be reached.
BASE_IMAGE = "localhost/omnia-base:trixie"
BASE_SUITE = "trixie"
BASE_PACKAGES = ("python3", "python3-pip", "ca-certificates")
PUBLIC_BASE = "python:3.13-slim"
LONGEST_BUILD = 1800.0


def image(name: str) -> str:
    """Return the name of an image of the project."""
    return f"localhost/omnia-{name}:dev"


@dataclass(frozen=True)
class Buildah:
    """Images without a daemon and without a registry."""

    layout: Layout

    def build_all(self) -> None:
        """Build the images of the project.

        Raises:
            MissingPart: a program is not there and cannot be installed.
        """
        need_root()
        need_programs(FOR_IMAGES)
        if not self.exists(BASE_IMAGE):
            self._build_base()
        with pip_settings.mounted() as settings:
            for name in NAMES:
                with step(f"building {image(name)}"):
                    self._build(ROOT, f"Dockerfile.{name}", image(name), BASE_IMAGE, *settings)
        base = self._bytes(BASE_IMAGE)
        report({image(name): (self._bytes(image(name)), base) for name in NAMES})

    def build_for_tests(self, name: str, dockerfile: Path) -> None:
        """Build an image that only the tests use, on the same base."""
        need_root()
        need_programs(FOR_IMAGES)
        if not self.exists(BASE_IMAGE):
            self._build_base()
        with step(f"building {name}"):
            self._build(dockerfile.parent, dockerfile.name, name, BASE_IMAGE)

    def build_pause(self) -> None:
        """Build the image of the pause container."""
        build(self.layout, PAUSE)
        if self.exists(PAUSE_IMAGE):
            return
        with step(f"building {PAUSE_IMAGE}"), tempfile.TemporaryDirectory() as folder:
            shutil.copy(program(self.layout, "pause"), folder)
            dockerfile = Path(folder) / "Dockerfile"
            dockerfile.write_text(
                'FROM scratch\nCOPY pause /pause\nUSER 65535\nENTRYPOINT ["/pause"]\n'
            )
            self._build(Path(folder), "Dockerfile", PAUSE_IMAGE, None)

    def exists(self, name: str) -> bool:
        """Tell whether an image is there."""
        return succeeds("buildah", "inspect", "--type=image", name)

    def identity(self, name: str) -> str:
        """Return what changes when the content of an image does."""
        inspected = json.loads(run("buildah", "inspect", "--type=image", name))
        identity: str = inspected["FromImageID"]
        return identity

    def save(self, name: str) -> Path:
        """Write an image to an archive, unless that was done; return its path."""
        self.layout.images.mkdir(parents=True, exist_ok=True)
        stem = name.rpartition("/")[2].replace(":", "-")
        archive = self.layout.images / f"{stem}-{self.identity(name)[:16]}.tar"
        if not archive.exists():
            for old in self.layout.images.glob(f"{stem}-*.tar"):
                old.unlink()
            run("buildah", "push", "--quiet", name, f"docker-archive:{archive}:{name}", seconds=600)
        return archive

    def base_for(self, architecture: str) -> str:
        """Return the base of images for an architecture, such as arm64; it is built when missing.

        Raises:
            MissingPart: a program is not there and cannot be installed.
        """
        need_root()
        need_programs(FOR_IMAGES)
        own = run("dpkg", "--print-architecture").strip() == architecture
        name = BASE_IMAGE if own else f"{BASE_IMAGE}-{architecture}"
        if not self.exists(name):
            self._build_base(name, "" if own else architecture)
        return name

    def _build_base(self, name: str = BASE_IMAGE, architecture: str = "") -> None:
        other = (f"--arch={architecture}",) if architecture else ()
        self.layout.cache.mkdir(parents=True, exist_ok=True)
        with (
            step(f"building {name} from Debian packages"),
            tempfile.TemporaryDirectory(dir=self.layout.cache) as folder,
        ):
            system = Path(folder) / "system"
            run(
                *("debootstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"),
                *(*other, BASE_SUITE, system),
                seconds=LONGEST_BUILD,
            )
            (system / "usr/local/bin/python").symlink_to("/usr/bin/python3")
            for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
                shutil.rmtree(system / waste, ignore_errors=True)
            (Path(folder) / "Dockerfile").write_text('FROM scratch\nCOPY system /\nCMD ["bash"]\n')
            platform = (f"--platform=linux/{architecture}",) if architecture else ()
            self._build(Path(folder), "Dockerfile", name, None, *platform)

    def _build(
        self, context: Path, dockerfile: str, name: str, base: str | None, *options: Argument
    ) -> None:
        arguments = [] if base is None else [f"--build-arg=BASE={base}"]
        before = self.identity(name) if self.exists(name) else None
        run(
            *("buildah", "build", "--pull=never", "--isolation=chroot", "--network=host"),
            *("--layers", *arguments, *options, f"--tag={name}"),
            *(f"--file={context / dockerfile}", context),
            seconds=LONGEST_BUILD,
        )
        if before not in (None, self.identity(name)):
            with contextlib.suppress(HarnessError):  # a container still stands on it
                run("buildah", "rmi", str(before))

    def _bytes(self, name: str) -> int:
        return self.save(name).stat().st_size


@dataclass(frozen=True)
class Docker:
    """Images by the Docker daemon, on the public base."""

    def build_all(self) -> None:
        """Build the images of the project."""
        for name in NAMES:
            with step(f"building {image(name)}"):
                run(
                    *("docker", "build", f"--tag={image(name)}"),
                    *(f"--file={ROOT / f'Dockerfile.{name}'}", ROOT),
                    seconds=LONGEST_BUILD,
                )
        base = self._bytes(PUBLIC_BASE)
        report({image(name): (self._bytes(image(name)), base) for name in NAMES})

    def build_for_tests(self, name: str, dockerfile: Path) -> None:
        """Build an image that only the tests use, on the same base."""
        with step(f"building {name}"):
            run(
                *("docker", "build", f"--tag={name}", f"--file={dockerfile}", dockerfile.parent),
                seconds=LONGEST_BUILD,
            )

    def identity(self, name: str) -> str:
        """Return what changes when the content of an image does."""
        return run("docker", "image", "inspect", "--format={{.Id}}", name).strip()

    def _bytes(self, name: str) -> int:
        return int(run("docker", "image", "inspect", "--format={{.Size}}", name))


def report(sizes: dict[str, tuple[int, int]]) -> None:
    """Print the sizes of images: the whole, and what is above the base.

    Raises:
        HarnessError: an image is too large.
    """
    mega = 1_000_000
    for name, (whole, base) in sizes.items():
        above = (whole - base) / mega
        say(f"  {name}: {whole / mega:.0f} MB, {above:.0f} MB above its base")
        if above > LARGEST_MEGABYTES:
            raise HarnessError(f"{name} is more than {LARGEST_MEGABYTES} MB above its base")
