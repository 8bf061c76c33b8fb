"""What the pages about folders show is valid and runs."""

import re
import subprocess
from pathlib import Path

from omnia_cli.findings import errors
from omnia_cli.folders.pack import read_pack_folder
from omnia_cli.packs import folder_findings
from omnia_cli.validate import validate
from omnia_tools.loading import Place, load
from tests.contract.test_documents import ROOT, blocks
from tests.programs import PYTHON
from tests.services import LIMIT


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_pack_of_the_page_is_a_folder_that_an_agent_uses(tmp_path: Path) -> None:
    page = ROOT / "docs/how-to/packs.md"
    pack, agent = blocks(page, "yaml")
    (prompt,) = blocks(page, "markdown")
    files = {"pack/pack.yaml": pack, "agent.yaml": agent, "pack/prompts/support.md": prompt}
    written(tmp_path, files | {"pack/fragments/tone.md": "Be brief.\n"})
    assert list(folder_findings(read_pack_folder(tmp_path / "pack"))) == []
    assert errors(validate([tmp_path], references=True)) == []
    (command,) = re.findall(r"\$ (omnia pack show .*)", page.read_text())
    words = [PYTHON, "-m", "omnia_cli", "pack", "show", "pack"]
    words += ["--var", re.findall(r"--var (.*)", command)[0].replace('"', "")]
    shown = subprocess.run(
        words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False, timeout=3 * LIMIT,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("You help the customers of Oak & Sons. Today is 20")


def test_the_tool_of_the_page_is_offered_and_its_server_is_valid(tmp_path: Path) -> None:
    page = ROOT / "docs/how-to/python-tools.md"
    (code,) = blocks(page, "python")
    (server,) = blocks(page, "yaml")
    agent = blocks(ROOT / "docs/how-to/packs.md", "yaml")[1].replace(
        "promptPackRef:\n    name: order-support",
        "prompt:\n    system: Hi.\n  toolRegistryRef:\n    name: mine-tools",
    )
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: orders}\nstringData: {DATABASE_URL: x}\n"
    )
    files = {"tools/orders.py": code, "tools/toolserver.yaml": server}
    written(tmp_path, files | {"agent.yaml": agent, "secret.yaml": secret})
    found = load(tmp_path / "tools/orders.py", Place(tmp_path / "tools", "tools"))
    assert (list(found.tools), found.problems) == (["lookup_order"], [])
    assert errors(validate([tmp_path], references=True)) == []
