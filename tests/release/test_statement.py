"""What a release says about itself: the digests of its archives, and where they come from."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from release import images, provenance
from release.source import Source
from tests.cluster.harness.errors import HarnessError

COMMIT = "0" * 40
DIGEST = "a" * 64


def archive(folder: Path, *indexes: bytes, kind: str = images._INDEX, stored: bytes = b"") -> Path:
    """Write an OCI archive with these indexes."""
    digests = [hashlib.sha256(each).hexdigest() for each in indexes]
    listed = [{"mediaType": kind, "digest": f"sha256:{digest}"} for digest in digests]
    blobs = {
        f"blobs/sha256/{digest}": stored or each
        for digest, each in zip(digests, indexes, strict=True)
    }
    file = folder / "image.oci.tar"
    with tarfile.open(file, "w") as packed:
        for name, content in {
            "index.json": json.dumps({"manifests": listed}).encode(),
            **blobs,
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return file


def test_an_image_has_the_digest_of_its_index(tmp_path: Path) -> None:
    assert images.digest_of(archive(tmp_path, b"{}")) == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize(
    ("indexes", "kind", "stored"),
    [
        ([b"{}", b"[]"], images._INDEX, b""),
        ([], images._INDEX, b""),
        ([b"{}"], "application/vnd.oci.image.manifest.v1+json", b""),
        ([b"{}"], images._INDEX, b"{ }"),
    ],
    ids=["two", "none", "one platform", "changed"],
)
def test_an_archive_of_another_shape_or_content_is_refused(
    tmp_path: Path, indexes: list[bytes], kind: str, stored: bytes
) -> None:
    with pytest.raises(HarnessError, match=r"image\.oci\.tar: "):
        images.digest_of(archive(tmp_path, *indexes, kind=kind, stored=stored))


def stated(digests: dict[str, str], builder: str = "") -> JsonObject:
    source = Source(Path(), "1.2.3", COMMIT, 1_700_000_000)
    return provenance.statement(
        source,
        digests,
        {"base (linux/arm64)": DIGEST},
        platforms=["linux/arm64"],
        builder=builder,
        seconds=(1_700_000_000.9, 1_700_000_100),
    )


@given(st.dictionaries(st.text(min_size=1), st.from_regex(r"\A[0-9a-f]{64}\Z"), min_size=1))
def test_every_file_and_image_is_a_subject_of_the_statement(digests: dict[str, str]) -> None:
    said = stated(digests)
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert {each["name"]: each["digest"]["sha256"] for each in said["subject"]} == digests


def test_the_statement_names_commit_base_builder_and_time() -> None:
    predicate = stated({"a": DIGEST}, "https://forge.example.org/workflow")["predicate"]
    assert predicate["buildDefinition"]["resolvedDependencies"] == [
        {"name": "source", "digest": {"gitCommit": COMMIT}},
        {"name": "base (linux/arm64)", "digest": {"sha256": DIGEST}},
    ]
    assert predicate["buildDefinition"]["externalParameters"] == {
        "version": "1.2.3",
        "platforms": ["linux/arm64"],
    }
    assert predicate["runDetails"] == {
        "builder": {"id": "https://forge.example.org/workflow"},
        "metadata": {"startedOn": "2023-11-14T22:13:20Z", "finishedOn": "2023-11-14T22:15:00Z"},
    }
    unnamed = stated({"a": DIGEST})["predicate"]["runDetails"]["builder"]["id"]
    assert unnamed == provenance.UNNAMED_BUILDER
