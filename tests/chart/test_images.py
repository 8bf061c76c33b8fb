"""What can be said about the Dockerfiles without building them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ("operator", "facade", "runtime")


def lines(image: str) -> list[str]:
    return (ROOT / f"Dockerfile.{image}").read_text().splitlines()


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_an_argument(image: str) -> None:
    written = lines(image)
    assert "ARG BASE=python:3.13-slim" in written
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
    assert copied == ["omnia_core", beside, f"omnia_{image}"]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_its_program_as_nobody_in_particular(image: str) -> None:
    written = lines(image)
    assert "USER 65532:65532" in written
    assert written[-1] == f'ENTRYPOINT ["python", "-m", "omnia_{image}"]'
