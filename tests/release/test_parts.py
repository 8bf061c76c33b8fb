"""The decisions of `make release`: versions, platforms, registries, the files that are stamped."""

import contextlib
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from release import platforms, registry, source, version
from release.platforms import Platform
from tests.cluster.harness.errors import HarnessError

NUMBER = st.integers(0, 999).map(str)
SUFFIX = st.tuples(st.sampled_from(["a", "alpha", "b", "beta", "rc"]), NUMBER).map(
    "-{0[0]}.{0[1]}".format
)
VERSIONS = st.tuples(NUMBER, NUMBER, NUMBER, st.just("") | SUFFIX).map(
    "{0[0]}.{0[1]}.{0[2]}{0[3]}".format
)


@given(VERSIONS)
def test_a_version_is_one_for_images_chart_and_wheel(text: str) -> None:
    assert version.parse(text) == text
    assert re.fullmatch(r"[\w][\w.-]{0,127}", text)  # the tag of an image
    assert Version(text).release == tuple(map(int, text.partition("-")[0].split(".")))


@given(VERSIONS, st.integers(0, 30), st.characters(codec="utf-8"))
def test_what_is_no_version_is_refused_with_an_example(text: str, place: int, mark: str) -> None:
    changed = text[: place % len(text)] + mark + text[place % len(text) :]
    said = changed
    with contextlib.suppress(HarnessError):
        said = version.parse(changed)
    assert said == changed
    if not re.fullmatch(r"[0-9A-Za-z.-]+", changed):
        with pytest.raises(HarnessError, match=r"1\.2\.3"):
            version.parse(changed)


@pytest.mark.parametrize(
    "text", ["", "v1.2.3", "1.2", "1.2.3+x", "1.2.3\n", "01.2.3", "1.2.3-x.y", "latest", "1.2.٣"]
)
def test_a_version_that_one_of_them_cannot_have_is_refused(text: str) -> None:
    with pytest.raises(HarnessError, match="VERSION is"):
        version.parse(text)


def test_the_platforms_are_both_unless_some_are_named() -> None:
    assert [each.name for each in platforms.parse("")] == ["linux/amd64", "linux/arm64"]
    assert platforms.parse("linux/arm64, linux/arm64") == [Platform("arm64")]
    for wrong in ("arm64", "linux/riscv64", "windows/amd64"):
        with pytest.raises(HarnessError, match=f'PLATFORMS has "{wrong}"'):
            platforms.parse(wrong)


@pytest.mark.parametrize(
    ("entry", "possible"),
    [
        ("enabled\ninterpreter /usr/bin/qemu\nflags: POF\n", True),
        ("disabled\ninterpreter /usr/bin/qemu\nflags: POF\n", False),
        ("enabled\ninterpreter /usr/bin/qemu\nflags: PO\n", False),
        (None, False),
    ],
)
def test_another_architecture_needs_an_emulator_that_works_inside_of_images(
    tmp_path: Path, entry: str | None, possible: bool
) -> None:
    if entry is not None:
        (tmp_path / "qemu-aarch64").write_text(entry)
    obstacle = Platform("arm64").obstacle(tmp_path, "x86_64")
    assert (obstacle == "") == possible
    assert possible or "apt-get install --no-install-recommends qemu-user-static" in obstacle
    assert Platform("amd64").obstacle(tmp_path, "x86_64") == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", ""),
        ("registry.example.org/omnia/", "registry.example.org/omnia"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_a_registry_is_a_host_and_a_path(text: str, name: str) -> None:
    assert registry.parse(text) == name


@pytest.mark.parametrize(
    "text", ["https://registry.example.org", "Registry.org", "a b", "a//b", "a/b:1", "-\n"]
)
def test_a_registry_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(HarnessError, match="expected HOST"):
        registry.parse(text)


@pytest.mark.parametrize("target", ["", "registry.example.org/omnia"])
def test_the_files_of_a_release_have_its_version_and_its_registry(
    tmp_path: Path, target: str
) -> None:
    exported = source.export(tmp_path, "HEAD", "1.2.3-rc.1", target)

    assert re.fullmatch("[0-9a-f]{40}", exported.commit)
    assert 'version = "1.2.3-rc.1"' in (tmp_path / "pyproject.toml").read_text()
    chart = yaml.safe_load((tmp_path / "charts/omnia/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == ("1.2.3-rc.1", "1.2.3-rc.1")
    values = yaml.safe_load((tmp_path / "charts/omnia/values.yaml").read_text())
    for name in ("operator", "facade", "runtime"):
        image = values[name]["image"]
        # Without a tag the chart takes its own appVersion.
        assert (image["repository"], image["tag"]) == (f"{target or 'localhost'}/omnia-{name}", "")
