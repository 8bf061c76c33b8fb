"""The programs of the bench that are not Python: the load, the floor, and the yardsticks in Go."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = ROOT / "benchmarks/out/relay"
YARDSTICK = HERE / "yardstick"
_PLUGINS = {
    "go": "google.golang.org/protobuf/cmd/protoc-gen-go",
    "go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
}


def build() -> Path:
    """Build everything that is older than its source, and return the folder of the programs.

    Raises:
        SystemExit: a compiler is missing; says which.
    """
    for program, package in (("cc", "gcc"), ("go", "golang")):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not here: apt-get install {package}")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "programs.log").unlink(missing_ok=True)
    for name in ("load", "floor", "calls", "vendor"):
        compile_c(name, OUT)
    _stubs()
    _run("go", "build", "-o", f"{OUT}/", "./facade", "./runtime", cwd=YARDSTICK)
    return OUT


def compile_c(name: str, folder: Path) -> Path:
    """Compile one of the programs in C into a folder."""
    _run("cc", "-O2", "-Wall", "-Wextra", "-o", folder / name, HERE / f"{name}.c", "-lm")
    return folder / name


def _stubs() -> None:
    """Write the yardsticks' messages and stubs from our own contract."""
    wire = YARDSTICK / "wire"
    wire.mkdir(exist_ok=True)
    _run("go", "build", "-o", f"{OUT}/", *_PLUGINS.values(), cwd=YARDSTICK)
    options = [
        argument
        for kind, package in _PLUGINS.items()
        for argument in (
            f"--plugin={OUT / package.rpartition('/')[2]}",
            f"--{kind}_out={wire}",
            f"--{kind}_opt=paths=source_relative,Mruntime.proto=yardstick/wire",
        )
    ]
    protos = ROOT / "protos/omnia/runtime/v1"
    _run(sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", *options, "runtime.proto")


def _run(*command: object, cwd: Path = HERE) -> None:
    subprocess.run([str(each) for each in command], cwd=cwd, check=True)
