"""The platforms of the images, and whether this machine can build for them."""

import platform
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.errors import HarnessError

EMULATORS = Path("/proc/sys/fs/binfmt_misc")
# Architectures by their names in images; the kernel's names, which emulators have too.
_KERNEL = {"amd64": "x86_64", "arm64": "aarch64"}
DEFAULT = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class Platform:
    """An operating system and an architecture, as images name them."""

    architecture: str

    @property
    def name(self) -> str:
        """For example linux/arm64."""
        return f"linux/{self.architecture}"

    def obstacle(self, emulators: Path = EMULATORS, machine: str = "") -> str:
        """Return why this machine cannot run programs of the platform; "" when it can."""
        kernel = _KERNEL[self.architecture]
        if (machine or platform.machine()) == kernel:
            return ""
        entry = emulators / f"qemu-{kernel}"
        # "F": the kernel keeps the emulator open, so that it works inside of an image, too.
        if entry.exists() and _enabled(entry.read_text()):
            return ""
        return (
            f"this machine has no emulator of {kernel}. Run as root: "
            "apt-get install --no-install-recommends qemu-user-static && "
            f"mount -t binfmt_misc binfmt_misc {EMULATORS}; "
            f"grep -v '^#' /usr/lib/binfmt.d/qemu-{kernel}.conf >{EMULATORS}/register"
        )


def _enabled(text: str) -> bool:
    lines = text.splitlines()
    flags = next((line for line in lines if line.startswith("flags:")), "")
    return "enabled" in lines and "F" in flags


def parse(text: str) -> list[Platform]:
    """Return the platforms of a list such as "linux/amd64,linux/arm64".

    Raises:
        HarnessError: one is unknown.
    """
    names = text.replace(",", " ").split() or list(DEFAULT)
    for name in names:
        if name.removeprefix("linux/") not in _KERNEL or not name.startswith("linux/"):
            raise HarnessError(f'PLATFORMS has "{name}": expected {" or ".join(DEFAULT)}')
    return [Platform(name.partition("/")[2]) for name in dict.fromkeys(names)]
