"""Programs built with Go, from the Go module proxy, into the cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnode import cached
from localnode.settings import COREDNS, KUBERNETES, MINIO, cache
from localnode.shell import CommandError, run

KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


def kubernetes() -> Path:
    """The folder of the five Kubernetes programs."""
    return cached.folder(
        f"bin/kubernetes-{KUBERNETES}", f"building Kubernetes {KUBERNETES} (5 minutes on 2 cores)", _kubernetes
    )


def built() -> bool:
    """Whether what the node needs is in the cache, so that it runs without Go."""
    return all((cache() / key).is_dir() for key in (f"bin/kubernetes-{KUBERNETES}", f"bin/coredns-{COREDNS}"))


def coredns() -> Path:
    """The CoreDNS binary."""
    return _module("github.com/coredns/coredns", COREDNS, "2 minutes")


def minio() -> Path:
    """The MinIO server binary, for the store tests."""
    return _module("github.com/minio/minio", MINIO, "3 minutes")


def own_go_mod(upstream: str, version: str) -> str:
    """Kubernetes' go.mod as our own: same dependencies, its staging modules taken from where they are published.

    `go install k8s.io/kubernetes/cmd/NAME@version` refuses, because go.mod replaces the staging modules by folders.
    """
    staging = "v0." + version.removeprefix("v1.")
    text = re.sub(r"^module .*$", "module localnode", upstream, count=1, flags=re.MULTILINE)
    text = re.sub(r"=> \./staging/src/(\S+)", rf"=> \1 {staging}", text)
    return f"{text}\nrequire k8s.io/kubernetes {version}\n"


def version_flags(version: str) -> str:
    """Linker flags: without them the server calls itself v0.0.0 and clients distrust it."""
    major, minor, _ = version.removeprefix("v").split(".")
    names = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in names.items())


def _kubernetes(target: Path) -> None:
    log = cache() / "logs/kubernetes.log"
    with _go_environment(target) as env:
        work = Path(env["GOPATH"]) / "localnode"
        work.mkdir(parents=True)
        download = run("go", "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}", env=env, cwd=work)
        source = Path(json.loads(download)["Dir"])
        (work / "go.mod").write_text(own_go_mod((source / "go.mod").read_text(), KUBERNETES))
        shutil.copyfile(source / "go.sum", work / "go.sum")
        packages = [f"k8s.io/kubernetes/cmd/{program}" for program in KUBERNETES_PROGRAMS]
        flags = ("-mod=mod", "-trimpath", "-ldflags", version_flags(KUBERNETES))
        run("go", "build", *flags, "-o", f"{target}/", *packages, env=env, cwd=work, log=log)


def _module(module: str, version: str, long: str) -> Path:
    name = module.rsplit("/", 1)[1]

    def build(target: Path) -> None:
        log = cache() / f"logs/{name}.log"
        with _go_environment(target) as env:
            install = ("go", "install", "-trimpath", "-ldflags", "-s -w", f"{module}@{version}")
            run(*install, env=env | {"GOBIN": str(target)}, cwd=target, log=log)

    return cached.folder(f"bin/{name}-{version}", f"building {name} {version} ({long} on 2 cores)", build) / name


@contextmanager
def _go_environment(target: Path) -> Iterator[dict[str, str]]:
    """Go with module and build caches of its own, gone afterwards: only what is built stays."""
    if shutil.which("go") is None:
        raise CommandError("building needs Go on the PATH; or set KUBECONFIG to use another cluster")
    with tempfile.TemporaryDirectory(prefix=".go-", dir=target) as folder:
        yield os.environ | {
            "GOPATH": folder,
            "GOMODCACHE": f"{folder}/mod",
            "GOCACHE": f"{folder}/build",
            "GOFLAGS": "-buildvcs=false -modcacherw",
            "CGO_ENABLED": "0",
            "GO111MODULE": "on",
        }
