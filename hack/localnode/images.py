"""Images in the node's containerd, under the names that the kubelet asks for."""

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
    """Load an image of buildah's store, or an OCI archive; returns `NAME@DIGEST` as a pod may name it."""
    if Path(image).is_file():
        inside, digest = archived(Path(image))
        name = full_name(inside)
        if _loaded(name).get("digest") != digest:
            with step(f"loading {name}"):
                _import(Path(image), inside, name)
        return f"{name}@{digest}"
    packages.ensure(packages.BUILDS)
    build_id = run("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", image, check=False).strip()
    if not build_id:
        raise CommandError(f"{image} is neither an image in buildah's store (hack/images build) nor an OCI archive")
    name = full_name(image)
    if _loaded(name).get("build-id") != build_id:
        with tempfile.TemporaryDirectory(prefix="quantumjob-") as folder, step(f"loading {image}"):
            archive = Path(folder) / "image.tar"
            # An OCI archive would be compressed here, only to be decompressed by the import.
            run("buildah", "push", "--quiet", image, f"docker-archive:{archive}:{name}")
            _import(archive, name, name)
            ctr("images", "label", name, f"{_BUILD_ID}={build_id}")
    return f"{name}@{_loaded(name)['digest']}"


def load_pause() -> None:
    """The image of every pod's first process."""
    if not _loaded(PAUSE_IMAGE):
        ctr("images", "import", str(pause() / "pause.tar"))


def pause() -> Path:
    """The cached folder of its archive: one static program of Debian's that waits, and reaps."""

    def build(target: Path) -> None:
        container = run("buildah", "from", "scratch").strip()
        run("buildah", "copy", container, "/usr/bin/catatonit", "/pause")
        run("buildah", "config", "--entrypoint", '["/pause", "-P"]', container)
        run("buildah", "commit", "--quiet", "--rm", container, f"oci-archive:{target}/pause.tar:{PAUSE_IMAGE}")

    return cached.folder("images/pause-1", "building the pause image", build)


def full_name(name: str) -> str:
    """The name that the kubelet makes of a short one: with registry and tag."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    return name if ":" in name.rsplit("/", 1)[1] else f"{name}:latest"


def by_digest(name: str, digest: str) -> str:
    """The name under which a pod's reference by digest is looked up: the tag plays no part."""
    repository, _, tag = name.rpartition(":")
    return f"{name if '/' in tag else repository}@{digest}"


def archived(archive: Path) -> tuple[str, str]:
    """Name, as written there, and digest of the image in an OCI archive."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        if index is None:
            raise CommandError(f"{archive} is no OCI archive")
        manifest = json.load(index)["manifests"][0]
    name = manifest.get("annotations", {}).get("org.opencontainers.image.ref.name")
    if not name:
        raise CommandError(f"{archive} does not say its image's name (buildah push IMAGE oci-archive:FILE:NAME)")
    return str(name), str(manifest["digest"])


def ctr(*command: str) -> str:
    """containerd's own client, in the namespace of Kubernetes."""
    return run("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *command)


def listed(row: str) -> dict[str, str]:
    """Digest and build id from a row of `ctr images list`."""
    fields = row.split()
    labels = dict(label.split("=", 1) for label in fields[-1].split(",") if "=" in label)
    return {"digest": fields[2]} | ({"build-id": labels[_BUILD_ID]} if _BUILD_ID in labels else {})


def _loaded(name: str) -> dict[str, str]:
    if not CONTAINERD_SOCKET.exists():
        raise CommandError("the node is not up: hack/node up")
    rows = ctr("images", "list", f"name=={name}").splitlines()[1:]
    return listed(rows[0]) if rows else {}


def _import(archive: Path, inside: str, name: str) -> None:
    ctr("images", "import", str(archive))
    if inside != name:
        ctr("images", "tag", "--force", inside, name)
        ctr("images", "remove", inside)
    ctr("images", "tag", "--force", name, by_digest(name, _loaded(name)["digest"]))
