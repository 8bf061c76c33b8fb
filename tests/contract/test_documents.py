"""What the documents show is true: manifests are valid, commands and files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from omnia_cli.validate import validate

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/*/README.md",
        "benchmarks/README.md",
        "tests/README.md",
    )
    for page in ROOT.glob(pattern)
)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL
    )


def test_every_test_that_a_page_names_exists() -> None:
    named = {
        (page.name, *found)
        for page in PAGES
        for found in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text())
    }
    assert len(named) > 30
    for page, file, name in sorted(named):
        text = (ROOT / file).read_text() if (ROOT / file).exists() else ""
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), (page, file, name)


def commands() -> list[str]:
    """Every command line that a page shows."""
    return [
        line.removeprefix("$ ").strip()
        for page in PAGES
        for block in blocks(page, "console")
        for line in block.splitlines()
    ]


# Kinds of Kubernetes itself that the pages name; their plurals are known, too.
KUBERNETES = frozenset(
    {
        *(
            "clusterrole",
            "configmap",
            "crd",
            "deployment",
            "event",
            "httproute",
            "ingress",
            "lease",
        ),
        *("namespace", "networkpolicy", "node", "persistentvolumeclaim", "pod", "pvc", "secret"),
        *("service", "serviceaccount"),
    }
)
VERBS = "get|describe|wait|delete|edit|patch|annotate|label|explain"


def kubectl_resources(text: str) -> list[str]:
    """Return the resources that the kubectl commands of a text name."""
    found = []
    for arguments in re.findall(rf"\bkubectl (?:{VERBS})\b([^`\n|;&]*)", text):
        words = iter(arguments.split())
        for word in words:
            if word in ("-n", "-f", "-o", "-l", "--namespace", "--filename"):
                next(words, None)
            elif not word.startswith("-"):
                found += [each.partition("/")[0] for each in word.split(",")]
                break
    return found


def test_every_kubectl_command_on_a_page_names_resources_that_exist() -> None:
    known = set(KUBERNETES)
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        names = yaml.safe_load(file.read_text())["spec"]["names"]
        known |= {names["plural"], names["singular"], *names["shortNames"], *names["categories"]}
    named = [(page.name, each) for page in PAGES for each in kubectl_resources(page.read_text())]
    assert len(named) > 15
    plural = known | {f"{each}s" for each in known} | {"ingresses", "networkpolicies"}
    variables = [each for each in named if each[1].startswith("$")]
    assert [each for each in named if each[1] not in plural and each not in variables] == []


def test_resources_of_a_kubectl_command_are_found() -> None:
    text = "`kubectl get agents,pp -n x` kubectl wait --for=condition=Ready -n shop provider/model"
    assert kubectl_resources(text) == ["agents", "pp", "provider"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_manifest_on_a_page_is_valid(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "yaml")):
        documents = [each for each in yaml.safe_load_all(block) if isinstance(each, dict)]
        if all("apiVersion" in document for document in documents):
            file = tmp_path / f"{number}.yaml"
            file.write_text(block)
            assert validate([file], references=False) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_section_leads_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target if target else page).read_text()
        headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
        anchors = [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]
        assert anchor in anchors, f"{target}#{anchor}"


def test_every_make_target_that_a_page_names_exists() -> None:
    made = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, check=True).stdout
    targets = set(re.findall(r"^  ([a-z-]+)", made.decode(), flags=re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:`|\$ )make ([a-z-]+)[`\n ]", page.read_text())
    }
    assert {"up", "test", "setup"} <= named
    assert named - targets == set()


def test_every_omnia_command_on_a_page_is_one() -> None:
    shown = [
        found[1]
        for line in commands()
        if (found := re.match(r"(?:\S+=\S+ )*(?:\.venv/bin/)?omnia (\w+)", line))
    ]
    help_text = subprocess.run(
        [sys.executable, "-m", "omnia_cli", "--help"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    assert {"up", "chat", "call", "validate"} <= set(shown)
    assert all(re.search(rf"\b{command}\b", help_text) for command in set(shown))


def test_every_folder_that_a_command_runs_exists() -> None:
    paths = [path for line in commands() for path in re.findall(r"\bexamples/[\w./-]+", line)]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
