"""What Sphinx does not do by itself: navigation, links to folders, pictures."""

import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from docs.site.navigation import contents
from docs.site.picture_names import PICTURES, picture_name

_TITLE = re.compile(r"^\s*accTitle: *(.+)$", re.MULTILINE)


class Picture(SphinxDirective):
    """A Mermaid text, shown as the picture that `make pictures` has drawn from it."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        source = "\n".join(self.content)
        file = PICTURES / picture_name(source)
        if not file.exists():
            raise self.error("this diagram has no picture of its present text: run `make pictures`")
        if not _TITLE.search(source):
            raise self.error("this diagram has no title for those who cannot see it: add accTitle")
        self.env.note_dependency(str(file))
        svg = file.read_text(encoding="utf-8")
        text = f'<div class="picture" tabindex="0">{svg}</div>'
        return [nodes.raw("", text, format="html")]


def add_navigation(app: Sphinx, docname: str, content: list[str]) -> None:
    """Add the tables of contents to the pages that have one."""
    content[0] += f"\n\n{contents(docname, app.env.found_docs)}"


class FolderLinks(SphinxPostTransform):
    """Resolves a link to a folder: its README if the site has it, else its name as text.

    The folders of the code are not on the site. A folder that does not exist remains an error.
    """

    default_priority = 8  # MyST's own resolver, which refuses folders, has 9

    def run(self, **_: Any) -> None:
        root = Path(self.app.srcdir)
        for node in list(self.document.findall(pending_xref)):
            docname, target = node["refdoc"], node.get("reftarget", "")
            folder = (Path(self.env.doc2path(docname)).parent / target).resolve()
            if node["reftype"] != "myst" or not target or not folder.is_dir():
                continue
            if not folder.is_relative_to(root):
                continue
            name = nodes.inline("", "", *(child.deepcopy() for child in node.children))
            readme = str((folder / "README").relative_to(root))
            if readme in self.env.found_docs:
                node.replace_self(make_refnode(self.app.builder, docname, readme, None, name))
            else:
                node.replace_self(name)


# What the theme leaves out and assistive technology needs: the levels of headings, the names of
# regions; and cells at the corner of a table, which are no headings.
ACCESSIBLE = {
    'class="caption" role="heading"': 'class="caption" role="heading" aria-level="2"',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    '<th class="head"><p></p></th>': "<td></td>",
}


def make_accessible(app: Sphinx, error: Exception | None) -> None:
    """Write what the theme leaves out into the pages."""
    if error is None:
        for file in Path(app.outdir).rglob("*.html"):
            text = file.read_text(encoding="utf-8")
            for before, after in ACCESSIBLE.items():
                text = text.replace(before, after)
            file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything."""
    app.add_directive("mermaid", Picture)
    app.add_post_transform(FolderLinks)
    app.connect("source-read", add_navigation)
    app.connect("build-finished", make_accessible)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
