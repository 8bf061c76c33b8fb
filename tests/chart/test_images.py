"""What can be said about the Dockerfiles without building them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = re.compile(r"ARG BASE=python:3\.13-slim(@sha256:[0-9a-f]{64})?")
IMAGES = ("operator", "facade", "runtime")


def lines(image: str) -> list[str]:
    return (ROOT / f"Dockerfile.{image}").read_text().splitlines()


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_an_argument(image: str) -> None:
    written = lines(image)
    assert any(BASE.fullmatch(each) for each in written)
    assert [each for each in written if each.startswith("FROM")] == [
        "FROM ${BASE} AS packages",
        "FROM ${BASE}",
    ]


@pytest.mark.parametrize("image", IMAGES)
def test_packages_are_installed_by_hash_from_the_images_own_list(image: str) -> None:
    text = "\n".join(lines(image))
    assert f"COPY requirements/{image}.txt /requirements.txt" in text
    assert "--require-hashes" in text


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_packages_of_its_programs_only(image: str) -> None:
    copied = [each.split()[1] for each in lines(image) if each.startswith("COPY omnia_")]
    beside = {"operator": "omnia_history"}.get(image, "omnia_rpc")
    # The runtime's image serves tools in Python too: a Deployment of its own.
    also = {"runtime": ["omnia_tools"]}.get(image, [])
    assert copied == ["omnia_core", beside, f"omnia_{image}", *also]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_its_program_as_nobody_in_particular(image: str) -> None:
    written = lines(image)
    assert "USER 65532:65532" in written
    assert written[-1] == f'ENTRYPOINT ["python", "-m", "omnia_{image}"]'


def test_the_digest_of_the_base_is_written_into_all_dockerfiles(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    digest = "sha256:" + "ab" * 32
    docker.write_text(f"#!/bin/sh\necho {digest}\n")
    docker.chmod(0o755)
    for file in ("Makefile", *(f"Dockerfile.{image}" for image in IMAGES)):
        shutil.copy(ROOT / file, tmp_path)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    subprocess.run(["make", "-s", "pin-base"], cwd=tmp_path, env=environ, check=True)
    for image in IMAGES:
        pinned = (tmp_path / f"Dockerfile.{image}").read_text()
        assert f"\nARG BASE=python:3.13-slim@{digest}\n" in pinned

    docker.write_text("#!/bin/sh\necho no such image\n")
    wrong = subprocess.run(["make", "-s", "pin-base"], cwd=tmp_path, env=environ, check=False)
    assert wrong.returncode != 0
    assert f"@{digest}\n" in (tmp_path / "Dockerfile.facade").read_text()
