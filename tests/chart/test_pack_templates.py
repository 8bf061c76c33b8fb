"""What `omnia pack build -o helm` prints is a template of a chart that Helm renders to the pack."""

import json
from pathlib import Path

import yaml

from omnia_cli.folders.pack import read_pack_folder
from omnia_cli.folders.pack_objects import for_helm, pack_objects
from omnia_cli.folders.unpack import unpack, yaml_of
from tests.cluster.harness.commands import run
from tests.core.whole_pack import WHOLE


def test_helm_writes_the_prompts_as_they_are(helm: Path, tmp_path: Path) -> None:
    pack = json.loads(json.dumps(WHOLE))
    pack["fragments"]["odd"] = (
        "{{{a}}} {{- b -}} {{/* c */}} {{ \"{{\" }} `{{` \u2028 'x'\n {% raw %}"
    )
    unpack(pack, tmp_path / "pack")
    objects = pack_objects(read_pack_folder(tmp_path / "pack"))
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: mine\nversion: 1.0.0\n")
    template = for_helm("---\n".join(map(yaml_of, objects)))
    (chart / "templates/pack.yaml").write_text(template)
    rendered = run(helm, "template", "mine", chart)
    assert [each for each in yaml.safe_load_all(rendered) if each] == objects
