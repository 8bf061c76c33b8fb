"""Which pages the site has, and their order in its navigation.

A new page of a section is found by its pattern and comes after the named ones. A page that no
section has is an error of the build.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

HOME = "docs/README"
DECISIONS = "docs/explanation/decisions/README"


@dataclass(frozen=True)
class Section:
    """A part of the navigation: its title, its pages in order, and the folder of the others."""

    title: str
    pages: tuple[str, ...]
    others: str = ""

    def toctree(self, existing: Collection[str], elsewhere: Collection[str]) -> str:
        """Return the section as a directive in Markdown, for the pages that exist.

        `elsewhere` are the pages that sections name; they are nobody's others.
        """
        others = sorted(page for page in existing if _matches(page, self.others))
        found = [page for page in others if page not in elsewhere]
        entries = "\n".join(f"/{page}" for page in (*self.pages, *found))
        caption = f":caption: {self.title}\n" if self.title else ""
        return f"```{{toctree}}\n{caption}:hidden:\n\n{entries}\n```\n"


def _matches(page: str, pattern: str) -> bool:
    return page.count("/") == pattern.count("/") and fnmatchcase(page, pattern)


def _below(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


SECTIONS = (
    Section(
        "Start",
        (*_below("docs/how-to", "install"), *_below("docs/explanation", "concepts")),
    ),
    Section(
        "Tutorials",
        _below(
            "docs/tutorials", "first-agent", "first-tool", "first-function", "laptop-to-cluster"
        ),
        "docs/tutorials/*",
    ),
    Section("Examples", (), "examples/*/README"),
    Section(
        "Operate",
        _below(
            "docs/how-to",
            *("troubleshooting", "explain", "chart", "upgrade", "single-namespace", "air-gap"),
            *("backup", "monitoring", "pods", "expose", "authentication", "retention"),
        ),
    ),
    Section(
        "Build agents",
        _below(
            "docs/how-to",
            *(
                "laptop",
                "chat",
                "providers",
                "tools",
                "python-tools",
                "packs",
                "functions",
                "console",
                "custom-runtime",
                "library",
            ),
        ),
        "docs/how-to/*",
    ),
    Section(
        "Reference",
        (
            *_below(
                "docs/reference",
                *("command-line", "agentruntime", "promptpack", "toolregistry", "provider"),
                *("sessionretentionpolicy", "rolloutanalysis", "conditions", "websocket"),
                "functions",
            ),
            "charts/omnia/README",
        ),
        "docs/reference/*",
    ),
    Section(
        "Explanation",
        _below("docs/explanation", "faq", "security", "compatibility"),
        "docs/explanation/*",
    ),
    Section("Decisions", (DECISIONS,)),
    Section(
        "Project",
        (
            *("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY"),
            *("docs/how-to/release", "docs/how-to/cluster", "tests/README", "benchmarks/README"),
        ),
    ),
)

# The tables of contents. They are added to the end of these pages by the build, because a forge
# would show their source.
CONTENTS = {HOME: SECTIONS, DECISIONS: (Section("", (), "docs/explanation/decisions/*"),)}


def contents(page: str, existing: Collection[str]) -> str:
    """Return the tables of contents of a page in Markdown; "" for a page that has none."""
    named = {HOME, *(each for parts in CONTENTS.values() for part in parts for each in part.pages)}
    return "\n".join(part.toctree(existing, named) for part in CONTENTS.get(page, ()))


# What the site has, as patterns of Sphinx.
PAGES = [
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("docs/**.md", "examples/*/README.md", "charts/omnia/README.md"),
    *("tests/README.md", "benchmarks/README.md"),
]
