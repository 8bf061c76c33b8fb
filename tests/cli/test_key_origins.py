"""What a program under `omnia up` says about the key of a provider that is refused."""

from pathlib import Path

import pytest
import yaml

from omnia_cli.local.desired import desired
from omnia_cli.manifests import load
from omnia_operator.plan import Settings

HEAD = "apiVersion: omnia.altairalabs.ai/v1alpha1\n"
MANIFESTS = f"""\
{HEAD}kind: AgentRuntime
metadata: {{name: a}}
spec:
  promptPackRef: {{name: pack}}
  facade: {{type: websocket}}
  provider: {{type: claude, model: m, secretRef: {{name: claude, key: CLAUDE_KEY}}}}
---
{HEAD}kind: PromptPack
metadata: {{name: pack}}
spec: {{version: 1.0.0, source: {{type: configmap, configMapRef: {{name: pack}}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: pack}}
data:
  pack.json: |
    {{"id": "p", "name": "P", "version": "1.0.0", "prompts": {{"a":
      {{"id": "a", "name": "A", "version": "1.0.0", "system_template": "Be kind."}}}},
     "template_engine": {{"version": "v1", "syntax": "{{{{variable}}}}"}}}}
"""
SECRET = """\
---
apiVersion: v1
kind: Secret
metadata: {name: claude}
stringData: {CLAUDE_KEY: one}
"""


@pytest.mark.parametrize(
    ("secret", "environ", "origin"),
    [
        (SECRET, {}, 'the key "CLAUDE_KEY" of the Secret "claude"'),
        (SECRET, {"CLAUDE_KEY": "two"}, 'the key "CLAUDE_KEY" of the Secret "claude"'),
        (
            "",
            {"CLAUDE_KEY": "two"},
            "the environment variable CLAUDE_KEY, which `omnia up` reads when it starts",
        ),
    ],
)
def test_a_key_is_named_by_where_it_comes_from(
    tmp_path: Path, secret: str, environ: dict[str, str], origin: str
) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFESTS + secret)
    wanted = desired(load([file]), environ, Settings())
    (plan,) = wanted.plans.values()
    (text,) = [
        content
        for config_map in plan.config_maps
        for name, content in config_map.data.items()
        if name == "providers.yaml"
    ]
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["keyOrigin"] == origin
