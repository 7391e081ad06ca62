"""Loads images into the node's containerd, under the names that the kubelet uses."""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path

from localnode import cached, packages
from localnode.settings import CONTAINERD_SOCKET, PAUSE_IMAGE
from localnode.shell import CommandError, run, step

_BUILD_ID = "quantumjobs.io/build-id"


def load(image: str) -> str:
    """Loads an image of buildah's store, or an OCI archive; returns `NAME@DIGEST` for use in a Pod."""
    if Path(image).is_file():
        inside, digest = archived(Path(image))
        name = full_name(inside)
        if _loaded(name).get("digest") != digest:
            with step(f"loading {name}"):
                _import(Path(image), inside, name)
        return f"{name}@{digest}"
    packages.ensure()
    build_id = run("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", image, check=False).strip()
    if not build_id:
        raise CommandError(f"{image} is neither an image in buildah's store nor an OCI archive. Run hack/images build.")
    name = full_name(image)
    if _loaded(name).get("build-id") != build_id:
        with tempfile.TemporaryDirectory(prefix="quantumjob-") as folder, step(f"loading {image}"):
            archive = Path(folder) / "image.tar"
            # In this format the layers are not compressed.
            run("buildah", "push", "--quiet", image, f"docker-archive:{archive}:{name}")
            _import(archive, name, name)
            ctr("images", "label", name, f"{_BUILD_ID}={build_id}")
    return f"{name}@{_loaded(name)['digest']}"


def load_pause() -> None:
    """Loads the image of the first container of each Pod."""
    if not _loaded(PAUSE_IMAGE):
        ctr("images", "import", str(pause() / "pause.tar"))


def pause() -> Path:
    """Returns the cached folder of the pause image: catatonit, a static program that waits and reaps zombies."""

    packages.ensure()

    def build(target: Path) -> None:
        container = run("buildah", "from", "scratch").strip()
        run("buildah", "copy", container, "/usr/bin/catatonit", "/pause")
        run("buildah", "config", "--entrypoint", '["/pause", "-P"]', container)
        run("buildah", "commit", "--quiet", "--rm", container, f"oci-archive:{target}/pause.tar:{PAUSE_IMAGE}")

    return cached.folder("images/pause-1", "building the pause image", build)


def full_name(name: str) -> str:
    """Returns an image's name with registry and tag, as the kubelet completes it."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    return name if ":" in name.rsplit("/", 1)[1] else f"{name}:latest"


def by_digest(name: str, digest: str) -> str:
    """Returns the name by which containerd finds a reference with a digest: without the tag."""
    repository, _, tag = name.rpartition(":")
    return f"{name if '/' in tag else repository}@{digest}"


def archived(archive: Path) -> tuple[str, str]:
    """Returns the name (as the archive has it) and the digest of the image in an OCI archive."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        if index is None:
            raise CommandError(f"{archive} is not an OCI archive")
        manifest = json.load(index)["manifests"][0]
    name = manifest.get("annotations", {}).get("org.opencontainers.image.ref.name")
    if not name:
        raise CommandError(f"{archive} has no image name. Write it with buildah push IMAGE oci-archive:FILE:NAME.")
    return str(name), str(manifest["digest"])


def ctr(*command: str) -> str:
    """Runs containerd's client in the namespace of Kubernetes; returns its output."""
    return run("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *command)


def listed(row: str) -> dict[str, str]:
    """Returns digest and build id from a row of `ctr images list`."""
    fields = row.split()
    labels = dict(label.split("=", 1) for label in fields[-1].split(",") if "=" in label)
    return {"digest": fields[2]} | ({"build-id": labels[_BUILD_ID]} if _BUILD_ID in labels else {})


def _loaded(name: str) -> dict[str, str]:
    if not CONTAINERD_SOCKET.exists():
        raise CommandError("the node is not up. Run hack/node up.")
    rows = ctr("images", "list", f"name=={name}").splitlines()[1:]
    return listed(rows[0]) if rows else {}


def _import(archive: Path, inside: str, name: str) -> None:
    ctr("images", "import", str(archive))
    if inside != name:
        ctr("images", "tag", "--force", inside, name)
        ctr("images", "remove", inside)
    ctr("images", "tag", "--force", name, by_digest(name, _loaded(name)["digest"]))
