"""What the figures of a run depend on: the machine, and the versions of what runs."""

import os
import platform
import shutil
import subprocess
import sysconfig
import time
from importlib.metadata import version
from pathlib import Path

# More than this of a core, before anything was started, is other people's work.
BUSY = 0.3


def facts() -> dict[str, str]:
    """Return the facts, in words; call it before the first process is started."""
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()} ({_build()})",
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("uvloop", "websockets")),
        "go": _go(),
        "load_average": " ".join(f"{each:.2f}" for each in os.getloadavg()),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def warning(found: dict[str, str]) -> str:
    """Say that the machine has other work, "" when it has none."""
    average = found["load_average"].partition(" ")[0]
    if float(average) <= BUSY:
        return ""
    return (
        f"WARNING: the load average was {average} before the run. Two quiet cores are needed; "
        "wait for other work to end, or read these figures as a try-out."
    )


def lines(found: dict[str, str]) -> list[str]:
    """Return the facts for a reader, with the warning if there is one."""
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.items())
    return [said, *(text for text in [warning(found)] if text)]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _build() -> str:
    """Say how the interpreter was built: it makes up to a factor of two."""
    optimized = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"{'with' if optimized else 'without'} --enable-optimizations"


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        return "none"
    return subprocess.check_output([go, "version"], text=True).split()[2].removeprefix("go")
