"""The settings of the documentation site: `make docs`.

The sources are the Markdown pages of the repository where they are, so that their links work on a
forge and on the site. The root of Sphinx is therefore the root of the repository.
"""

from docs.site.navigation import HOME, PAGES

project = "Omnia"
author = "the authors of Omnia"
copyright = author  # noqa: A001 - the name is Sphinx's
extensions = ["myst_parser", "docs.site.extension"]
root_doc = HOME
include_patterns = PAGES
exclude_patterns = [".*", "dist", "docs/site"]

# The anchors of headings are those of a forge.
myst_heading_anchors = 6
myst_fence_as_directive = {"mermaid"}

html_theme = "furo"
html_title = "Omnia"
html_static_path = ["site.css", "folder.js"]
html_css_files = ["site.css"]
html_js_files = ["folder.js"]
templates_path = ["templates"]
html_additional_pages = {"index": "index.html", "404": "404.html"}
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5cad",
        "color-brand-content": "#0b5cad",
        "color-brand-visited": "#6b3fa0",
        "color-foreground-muted": "#5d6066",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7ab8ff",
        "color-brand-content": "#7ab8ff",
        "color-brand-visited": "#c8a2f5",
        "color-foreground-muted": "#9ca0a5",
    },
}
