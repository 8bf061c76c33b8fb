"""Options and arguments that every user tries: paths, standard input, help, version."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from omnia_cli.local.report import PersonReporter, Serving
from omnia_cli.running import announce, announced
from omnia_core.names import Door, Mode
from omnia_operator.plan.doors import PATHS
from tests.programs import PYTHON
from tests.services import LIMIT

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "examples/hello-agent/agent.yaml").read_text()


def omnia(*words: str, cwd: Path = ROOT, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "omnia_cli", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(cwd / "state")},
        input=text,
        capture_output=True,
        check=False,
        text=True,
        timeout=2 * LIMIT,
    )


def test_validate_takes_paths_options_this_folder_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD)
    for words in (["agent.yaml"], ["-f", "agent.yaml"], [], ["."], ["-"], ["-f", "-"]):
        done = omnia("validate", *words, cwd=tmp_path, text=GOOD)
        assert (done.returncode, done.stderr) == (0, "0 errors, 0 warnings\n"), words
    wrong = omnia("validate", "-", cwd=tmp_path, text=GOOD.replace("kind: Agent", "kind: Agnt"))
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("-:2: error:")
    assert wrong.stderr == "1 error, 0 warnings\n"


def test_a_folder_without_manifests_is_named(tmp_path: Path) -> None:
    done = omnia("validate", cwd=tmp_path)
    assert done.returncode == 1
    assert "the folder has no file ending in .yaml, .yml, .json" in done.stdout


def test_an_error_about_no_line_names_none(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "flake.nix").write_bytes(b"\x7fELF\xff")
    words = {
        "nix": "nix: error: nix: there is no such file or folder",
        "empty.yaml": "empty.yaml: error: empty.yaml: there is no object in it",
        "flake.nix": "flake.nix:1: error: flake.nix: this is not text in UTF-8",
    }
    for path, said in words.items():
        done = omnia("validate", path, cwd=tmp_path)
        assert (done.returncode, done.stdout.startswith(said)) == (1, True), done
    (told,) = omnia("validate", "--json", "nix", cwd=tmp_path).stdout.splitlines()
    assert orjson.loads(told)["line"] is None


def test_an_error_of_the_system_is_one_line_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = omnia("init", "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "mine: Not a directory: choose another name, or delete it\n"


def test_a_terminal_without_a_character_gets_another_one_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    (folder / "agent.yaml").write_text(GOOD.replace("kind: Agent", "kind: Agnt"))
    done = subprocess.run(
        [sys.executable, "-m", "omnia_cli", "validate", str(folder)],
        cwd=ROOT,
        # The name of the folder is read as UTF-8 whatever the locale of the tests is.
        env={
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "PYTHONIOENCODING": "ascii",
            "PYTHONUTF8": "0",
        },
        capture_output=True,
        check=False,
        text=True,
        timeout=2 * LIMIT,
    )
    assert (done.returncode, done.stderr) == (1, "1 error, 0 warnings\n")
    assert "gr??e/agent.yaml:2: error:" in done.stdout


def test_help_and_version_have_the_usual_options() -> None:
    assert omnia("-h").stdout == omnia("--help").stdout != ""
    assert omnia("up", "-h").returncode == 0
    assert omnia("--version").stdout.startswith("omnia ")


def test_a_command_that_reads_no_manifest_loads_no_model_of_one() -> None:
    code = "import sys, omnia_cli.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    loaded = done.stdout.decode().split()
    assert [each for each in loaded if each.startswith("omnia_operator")] == []


# As an environment in which a package is not installed.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from omnia_cli.entry import main
main()
"""


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_the_modules_without_their_dependencies_say_what_to_install(missing: str) -> None:
    code = WITHOUT.format(missing=missing)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"omnia needs {missing}, which is not installed: omnia-agents-slim has the modules"
        " without their dependencies. Run: pip install omnia-agents\n"
    )


INTERRUPTED = """\
import os, signal, sys

class Pressed:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
from omnia_cli.entry import main
main()
"""


def test_ctrl_c_while_the_command_line_is_loaded_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_a_program_that_is_not_on_the_path_names_itself_by_its_own(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "omnia"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom omnia_cli.entry import main\nmain()\n")
    script.chmod(0o755)

    def init(name: str, path: str) -> str:
        environ = {"PYTHONPATH": str(ROOT), "PATH": path}
        command = ["bin/omnia", "init", name]
        return subprocess.check_output(command, cwd=tmp_path, env=environ, text=True)

    assert f"  {script} up\n" in init("mine", "/usr/bin:/bin")
    assert "  omnia up\n" in init("yours", f"{script.parent}:/usr/bin:/bin")


def serving(name: str) -> Serving:
    url, page = f"ws://127.0.0.1:8080/{name}", "http://127.0.0.1:8080/"
    hub = "http://127.0.0.1:8070/"
    return Serving("default", name, Mode.AGENT, url, page, {"facade": 1, "runtime": 2}, {}, hub=hub)


def test_ps_lists_what_runs(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert omnia("ps", cwd=tmp_path).stdout.split() == ["NAME", "MODE", "STATE", "URL", "PIDS"]
    with announced(environ) as file:
        announce(file, [serving("one")])
        lines = omnia("ps", cwd=tmp_path).stdout.splitlines()
        assert lines[1].split() == [
            "one",
            "agent",
            "ready",
            "ws://127.0.0.1:8080/one",
            "facade=1",
            "runtime=2",
        ]
        (found,) = map(orjson.loads, omnia("ps", "--json", cwd=tmp_path).stdout.splitlines())
        assert found["name"] == "one"


def test_open_without_anything_that_runs_says_what_to_do(tmp_path: Path) -> None:
    done = omnia("open", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "nothing runs here: start agents with `omnia up PATH`\n",
    )


def test_open_of_an_unknown_agent_says_what_runs(tmp_path: Path) -> None:
    done = omnia("open", "gone", cwd=tmp_path)
    assert done.returncode == 1
    assert 'no agent named "gone" runs here; running: nothing' in done.stderr


@pytest.mark.parametrize("columns", [80, 200])
def test_the_table_of_agents_keeps_addresses_whole(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    PersonReporter(verbose=False).serving([serving("an-agent-with-quite-a-long-name")], None)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    for address in ("ws://127.0.0.1:8080/", "http://127.0.0.1:8070/"):
        assert len([line for line in lines if address in line]) == 1


def test_each_door_has_a_line_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    base = "http://127.0.0.1:8080"
    doors = {str(door): base + PATHS[door] for door in Door}
    PersonReporter(verbose=False).serving([replace(serving("one"), doors=doors)], None)
    lines = capsys.readouterr().out.splitlines()
    for line in (
        f'one  chat    new DefaultChatTransport({{ api: "{base}/api/chat" }})',
        f"one  openai  export OPENAI_BASE_URL={base}/v1 OPENAI_API_KEY=none",
        f'one  agui    new HttpAgent({{ url: "{base}/ag-ui" }})',
        f"one  a2a     curl {base}/.well-known/agent-card.json",
        f'one  mcp     {{"mcpServers": {{"one": {{"url": "{base}/mcp"}}}}}}',
    ):
        assert line in lines
