"""Builds the product's images from the Dockerfile when their inputs have changed, and loads them to the node."""

from __future__ import annotations

import configparser
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from localnode import base, images, packages, pip
from localnode.parallel import together
from localnode.settings import cache
from localnode.shell import run, step

TARGETS = ("operator", "worker", "api", "seaweedfs")
"""The images of an installation. The Dockerfile has more targets."""
# A build gets these files and no others, so that the key covers all inputs of an image.
INPUTS = ("Dockerfile", "LICENSE", "setup.cfg", "pyproject.toml")
FOLDERS = ("contract", "operator", "worker", "api", "client", "requirements")


def build(root: Path, targets: Iterable[str] = TARGETS, base_image: str | None = None) -> list[str]:
    """Builds the images whose inputs have changed; returns the names of all."""
    packages.ensure()
    base_image = base_image or base.image()
    known = _names()
    files = inputs(root)
    tag = "key-" + key(root, files, base_image)
    done = []
    for target in targets:
        wanted, keyed = name(root, target), f"quantumjob/{target}:{tag}"
        ids = {known.get(f"localhost/{wanted}"), known.get(f"localhost/{keyed}")}
        if len(ids) > 1 or None in ids:
            _build(root, files, target, base_image, (wanted, keyed))
            _untag(target, keyed, known)
        done.append(wanted)
    return done


def load(root: Path, targets: Iterable[str] = TARGETS) -> list[str]:
    """Loads the images to the node; returns `NAME@DIGEST` of each."""
    return together(*(partial(images.load, name(root, target)) for target in targets))


def name(root: Path, target: str) -> str:
    """Returns the name of a target's image."""
    return f"quantumjob/{target}:{version(root)}"


def version(root: Path) -> str:
    """Returns the project's version."""
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    return setup["metadata"]["version"]


def inputs(root: Path) -> list[str]:
    """Returns the files that a build gets: those that git tracks, or does not ignore."""
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    listed = run("git", "-C", root, *listing, "--", *INPUTS, *FOLDERS).split("\0")
    return sorted(file for file in listed if file and (root / file).is_file())


def key(root: Path, files: Iterable[str], base_image: str) -> str:
    """Returns a hash of all inputs of the images."""
    digest = hashlib.sha256(base_image.encode())
    for file in files:
        path = root / file
        executable = path.stat().st_mode & 0o100
        digest.update(f"\0{file}\0{executable}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def command(target: str, base_image: str, mounts: Iterable[pip.Mount], tags: Iterable[str], context: Path) -> list[str]:
    """Returns the command line of a build."""
    return [
        *("buildah", "bud", "--isolation", "chroot", "--network", "host", "--layers", "--target", target),
        *("--build-arg", f"BASE_IMAGE={base_image}"),
        *(mount.option for mount in mounts),
        *(f"--tag={tag}" for tag in tags),
        *("--file", str(context / "Dockerfile"), str(context)),
    ]


def _build(root: Path, files: list[str], target: str, base_image: str, tags: tuple[str, ...]) -> None:
    with step(f"building {tags[0]}"), tempfile.TemporaryDirectory(prefix="quantumjob-") as folder:
        context = Path(folder)
        for file in files:
            (context / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / file, context / file)
        run(*command(target, base_image, pip.mounts(), tags, context), log=cache() / f"logs/image-{target}.log")


def _untag(target: str, keyed: str, known: Iterable[str]) -> None:
    """Removes the tags of earlier builds."""
    for old in known:
        if old.startswith(f"localhost/quantumjob/{target}:key-") and old != f"localhost/{keyed}":
            run("buildah", "rmi", old, check=False)


def _names() -> dict[str, str]:
    """Returns the id of each named image in buildah's store."""
    listed = json.loads(run("buildah", "images", "--json") or "[]") or []
    return {name: image["id"] for image in listed for name in image.get("names") or ()}
