"""kagent's prompt templates, filled in once as Go's text/template fills them in."""

import pytest

from omnia_cli.importing.kagent.gotemplate import NotFilledIn, Values, fill_in
from omnia_cli.importing.prompts import Fragment, ImportedVariable

VALUES = Values(
    {"AgentName": "desk", "Description": ""},
    {"ToolNames": ["find", "refund"], "SkillNames": []},
    lambda path: Fragment(path.replace("/", "_"), f"text of {path}"),
)


def filled(template: str) -> str:
    def shown(piece: str | Fragment | ImportedVariable) -> str:
        return piece if isinstance(piece, str) else f"<{piece.name}>"

    return "".join(map(shown, fill_in(template, VALUES)))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("You are {{.AgentName}}.", "You are desk."),
        ('{{include "house/tone"}}', "<house_tone>"),
        ("{{include `house/tone`}}", "<house_tone>"),
        ("{{range .ToolNames}}- {{.}}\n{{end}}", "- find\n- refund\n"),
        ("{{range .SkillNames}}x{{else}}none{{end}}", "none"),
        ("{{if .Description}}a{{else}}b{{end}}{{if .AgentName}}c{{end}}", "bc"),
        ("{{if .ToolNames}}{{range .ToolNames}}[{{.}}]{{end}}{{end}}", "[find][refund]"),
        ("{{len .ToolNames}}", "2"),
        ("a  {{- /* why */ -}}  b", "ab"),
        ('{{"{{ .Values.x }}"}}{{`}}`}}', "{{ .Values.x }}}}"),
        ('{{"a\\"b\\n"}}', 'a"b\n'),
    ],
)
def test_what_is_known_is_filled_in(template: str, expected: str) -> None:
    assert filled(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        '{{template "x"}}', "{{.Unknown}}", "{{range .Unknown}}{{end}}", "{{if .AgentName}}",
        "{{end}}", "{{ $x := 1 }}", "{{.AgentName", "{{" * 200_000, '{{"' * 200_000,
        "{{if .AgentName}}" * 500 + "{{end}}" * 500,
        "{{range .ToolNames}}" * 19 + "x" + "{{end}}" * 19,
        "x" * 2_000_000,
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_not_known_or_too_large_is_refused_at_once(template: str) -> None:
    with pytest.raises(NotFilledIn):
        fill_in(template, VALUES)
