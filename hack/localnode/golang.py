"""Programs built with Go from the module proxy: those of the node, and MinIO for the store tests."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnode import cached
from localnode.settings import MINIO, cache
from localnode.shell import CommandError, run

MODULE = Path(__file__).with_name("go")
"""Holds a main package for each program. Its go.mod and go.sum say the versions of Kubernetes, etcd and CoreDNS."""
# Compiled without inlining, which took 5 to 60 % less CPU in a sample of these packages. What is busy at run time is
# compiled as usual: HTTP, JSON, protobuf, the API machinery, etcd.
_WITHOUT_INLINING = (
    "k8s.io/kubernetes/...",
    *(
        f"k8s.io/client-go/{generated}/..."
        for generated in ("applyconfigurations", "informers", "kubernetes", "listers")
    ),
)
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")


def node() -> Path:
    """Returns the folder with the Kubernetes components, etcd and CoreDNS. Builds them if they are missing."""
    return cached.folder(_node_key(), "building Kubernetes, etcd and CoreDNS (8 minutes on 2 cores)", _build_node)


def node_is_built() -> bool:
    """Returns True if the node's programs are in the cache, so that it runs without Go."""
    return (cache() / _node_key()).is_dir()


def minio() -> Path:
    """Returns the MinIO server, for the store tests. Builds it if it is missing."""

    def build(target: Path) -> None:
        with _go_environment(target) as env:
            install = ("go", "install", "-trimpath", "-ldflags", "-s -w", f"github.com/minio/minio@{MINIO}")
            run(*install, env=env | {"GOBIN": str(target)}, cwd=target, log=cache() / "logs/minio.log")

    return cached.folder(f"bin/minio-{MINIO}", f"building MinIO {MINIO} (3 minutes on 2 cores)", build) / "minio"


def kubernetes_version(go_mod: str) -> str:
    """Returns the version of Kubernetes that the text of a go.mod requires."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise CommandError("go.mod does not require k8s.io/kubernetes")
    return found[1]


def version_flags(version: str) -> str:
    """Returns linker flags that set the version. Without them the API server reports v0.0.0, which clients reject."""
    major, minor, _ = version.removeprefix("v").split(".")
    names = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in names.items())


def _node_key() -> str:
    files = sorted(path for path in MODULE.rglob("*") if path.is_file())
    content = "".join(f"{path.relative_to(MODULE)}\0{path.read_text()}\0" for path in files) + " ".join(_node_flags())
    return f"bin/node-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _node_flags() -> tuple[str, ...]:
    version = kubernetes_version((MODULE / "go.mod").read_text())
    compiler = (f"-gcflags={packages}=-l" for packages in _WITHOUT_INLINING)
    return ("-trimpath", *compiler, "-ldflags", version_flags(version))


def _build_node(target: Path) -> None:
    with _go_environment(target) as env:
        # One build for all three: they share Go's standard library, gRPC and the Kubernetes client.
        run(
            "go",
            "build",
            *_node_flags(),
            "-o",
            f"{target}/",
            "./...",
            env=env,
            cwd=MODULE,
            log=cache() / "logs/node.log",
        )
    for component in COMPONENTS:
        (target / component).symlink_to("kubernetes")


@contextmanager
def _go_environment(target: Path) -> Iterator[dict[str, str]]:
    """Yields an environment whose Go caches are deleted afterwards. Only the programs stay."""
    if shutil.which("go") is None:
        raise CommandError("Go is not on the PATH. Install it, or set KUBECONFIG to use another cluster.")
    folder = target / ".go"
    yield os.environ | {
        "GOPATH": str(folder),
        "GOMODCACHE": f"{folder}/mod",
        "GOCACHE": f"{folder}/build",
        "GOFLAGS": "-buildvcs=false -modcacherw",
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        # The compiler collects garbage less often, which takes about an eighth less CPU and more memory.
        "GOGC": "400",
    }
    # Not shutil.rmtree, which takes a minute for 3 GB of small files. After a failure, the caller deletes `target`.
    run("rm", "-rf", folder)
