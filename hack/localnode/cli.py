"""Parses the arguments of the commands `hack/node`, `hack/images`, `hack/venv` and `hack/minio`, and runs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from localnode import builds, golang, health, images, kubectl, lifecycle, venv
from localnode.parallel import together
from localnode.settings import KUBECONFIG
from localnode.shell import CommandError

ROOT = Path(__file__).resolve().parents[2]


def node() -> int:
    """Runs `hack/node COMMAND`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="hack/node", description="A real Kubernetes node on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the node, or repair it; prints the kubeconfig's path")
    provision = commands.add_parser(
        "provision", help="up, with the product's images built and loaded; prints their names"
    )
    provision.add_argument("--venv", type=Path, help="also install the Python environment into this folder")
    commands.add_parser("down", help="remove the node; what was built stays in the cache")
    commands.add_parser("purge", help="down, and remove the cache and the packages that up installed")
    commands.add_parser("status", help="a line for each component; exit status 0 only if all are healthy")
    load = commands.add_parser("load", help="load an image of buildah's, or an OCI archive; prints NAME@DIGEST")
    load.add_argument("image")
    commands.add_parser("kubeconfig", help="print the kubeconfig's path")
    commands.add_parser("kubectl", help="print kubectl's path")
    return guarded(_run, parser.parse_args())


def guarded(function: Callable[..., int], *arguments: object) -> int:
    """Calls the function. Prints a CommandError's message instead of a traceback."""
    try:
        return function(*arguments)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up":
            lifecycle.up()
            print(KUBECONFIG)
        case "provision":
            print("\n".join(_provision(arguments.venv)))
        case "down":
            lifecycle.down()
        case "purge":
            lifecycle.purge()
        case "status":
            print("\n".join(health.report()))
            return 0 if health.healthy() else 1
        case "load":
            print(images.load(arguments.image))
        case "kubeconfig":
            if not KUBECONFIG.exists():
                raise CommandError("the node is not up. Run hack/node up.")
            print(KUBECONFIG)
        case "kubectl":
            print(kubectl.ensure())
    return 0


def _provision(environment: Path | None) -> list[str]:
    """Starts the node, builds the images and installs the Python environment, side by side; then loads the images."""
    parts: list[Callable[[], object]] = [lifecycle.up, partial(builds.build, ROOT)]
    if environment:
        parts.append(partial(venv.ensure, ROOT, environment))
    together(*parts)
    return builds.load(ROOT)


def product_images() -> int:
    """Runs `hack/images build|load [TARGET...]`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="hack/images", description="The product's images.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build what has changed; prints each NAME")
    load = commands.add_parser("load", help="load to the local node; prints each NAME@DIGEST")
    build.add_argument("--base", help="NAME@DIGEST of a base image, instead of one built with debootstrap")
    for command in (build, load):
        command.add_argument("--root", type=Path, default=ROOT, help="folder of the Dockerfile")
        command.add_argument(
            "targets",
            nargs="*",
            metavar="TARGET",
            help=f"targets of the Dockerfile; default: {', '.join(builds.TARGETS)}",
        )

    def act(arguments: argparse.Namespace) -> int:
        targets = arguments.targets or builds.TARGETS
        if arguments.command == "build":
            done = builds.build(arguments.root, targets, arguments.base)
        else:
            done = builds.load(arguments.root, targets)
        print("\n".join(done))
        return 0

    return guarded(act, parser.parse_args())


def environment() -> int:
    """Runs `hack/venv FOLDER`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="hack/venv", description="The Python environment of development and tests.")
    parser.add_argument("folder", type=Path, help="where it is, or is to be created")

    def act(arguments: argparse.Namespace) -> int:
        venv.ensure(ROOT, arguments.folder)
        return 0

    return guarded(act, parser.parse_args())


def minio() -> int:
    """Runs `hack/minio`, which prints the path of a MinIO server; returns its exit status."""

    def act() -> int:
        print(golang.minio())
        return 0

    return guarded(act)
