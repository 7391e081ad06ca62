"""Starts, repairs and removes the node. Each operation works from any state of the machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from localnode import (
    addons,
    api,
    certificates,
    controlplane,
    golang,
    health,
    images,
    kubectl,
    machine,
    network,
    packages,
    processes,
    worker,
)
from localnode.parallel import together
from localnode.processes import Daemon
from localnode.settings import API_PORT, LOCK, NODE_IP, cache
from localnode.shell import CommandError, run, say, step, wait

_ELSEWHERE = ". Set KUBECONFIG to use another cluster."


def up() -> None:
    """Starts the node, or repairs it."""
    check_machine()
    with _alone():
        if health.healthy():
            say("the node is up")
            return
        start = time.monotonic()
        reused = machine.recorded()
        machine.record()
        programs, *_ = together(golang.node, kubectl.ensure, images.pause)
        _repair(programs, reused=reused)
        say(f"the node is up ({time.monotonic() - start:.0f} s)")


def down() -> None:
    """Removes the node with all its objects and images."""
    _check_root()
    with _alone():
        _down()


def purge() -> None:
    """Removes the node, the cache, the built images and the packages: the machine is as it was before."""
    _check_root()
    with _alone():
        _down()
        if shutil.which("buildah"):
            _forget_images()
        packages.remove_installed()
        shutil.rmtree(cache(), ignore_errors=True)


def check_machine() -> None:
    """Raises CommandError if the node cannot run on this machine."""
    _check_root()
    if shutil.which("apt-get") is None or not Path("/etc/debian_version").exists():
        raise CommandError(f"the local node needs Debian or Ubuntu{_ELSEWHERE}")
    if shutil.which("go") is None and not golang.node_is_built():
        raise CommandError(f"the local node is built with Go, which is not on the PATH{_ELSEWHERE}")
    if not processes.hierarchies():
        raise CommandError(f"the local node needs cgroups below /sys/fs/cgroup{_ELSEWHERE}")


def _check_root() -> None:
    if os.geteuid():
        raise CommandError(f"the local node needs root{_ELSEWHERE}")


def _repair(programs: Path, *, reused: bool) -> None:
    """Starts the dead components. If that fails, restarts all of them; if that fails, starts with an empty state."""
    if not reused:
        _start(programs)
        return
    attempts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("starting the components that do not run", lambda: None),
        ("restarting all components", machine.sweep),
        ("the state on disk cannot be repaired: starting without objects and images", _forget),
    )
    for number, (what, prepare) in enumerate(attempts, start=1):
        try:
            say(what)
            prepare()
            _start(programs)
        except CommandError as error:
            if number == len(attempts):
                raise
            say(str(error))
        else:
            return


def _start(programs: Path) -> None:
    swept = not (machine.same_boot() and processes.alive("containerd"))
    if swept:
        machine.sweep()
    machine.mark_boot()
    with step("certificates, network, cgroups, configuration"):
        certificates.ensure()
        network.up()
        processes.make_cgroups()
        for path, text in worker.configs().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    with step("etcd and containerd"):
        etcd, containerd = controlplane.etcd(programs), worker.containerd()
        _ensure(etcd, containerd)
        _wait(etcd, 20, lambda: '"true"' in api.plain(f"{controlplane.ETCD_URL}/health"))
        _wait(containerd, 20, lambda: bool(_containerd_answers()))
        images.load_pause()
    with step("API server"):
        apiserver = controlplane.apiserver(programs)
        _ensure(apiserver)
        _wait(apiserver, 60, api.ready)
    with step("controllers, scheduler, kubelet, kube-proxy, CoreDNS"):
        addons.apply()
        manager, kubelet = controlplane.controller_manager(programs), worker.kubelet(programs)
        proxy, dns = worker.proxy(programs), worker.coredns(programs)
        since = None if kubelet.alive() else time.time()
        _ensure(manager, controlplane.scheduler(programs), kubelet, proxy, dns)
        _wait(kubelet, 60, lambda: health.node_ready(since))
        _wait(proxy, 30, health.proxy_ready)
        _wait(dns, 30, health.dns_ready)
        _wait(manager, 30, health.default_account)
        if swept:
            _wait(kubelet, 60, lambda: health.no_stale_containers(since or 0))


def _ensure(*daemons: Daemon) -> None:
    for daemon in daemons:
        if not daemon.alive():
            daemon.start()


def _wait(daemon: Daemon, seconds: float, ready: Callable[[], bool]) -> None:
    wait(lambda: ready() or not daemon.alive(), seconds, lambda: daemon.failure(f"not ready after {seconds:.0f} s"))
    if not daemon.alive():
        raise CommandError(daemon.failure("not ready"))


def _containerd_answers() -> str:
    try:
        return images.ctr("version")
    except CommandError:
        return ""


def _forget() -> None:
    machine.sweep()
    machine.wipe()


def _down() -> None:
    with step("stopping the node"):
        machine.sweep()
        machine.restore()
        # kubectl would use the list of resources of this node for the next one.
        shutil.rmtree(Path.home() / f".kube/cache/discovery/{NODE_IP}_{API_PORT}", ignore_errors=True)


def _forget_images() -> None:
    if "buildah" in packages.installed_here():
        run("buildah", "rm", "--all", check=False)
        run("buildah", "rmi", "--all", "--force", check=False)
        for folder in ("/var/lib/containers", "/etc/cni"):
            shutil.rmtree(folder, ignore_errors=True)
        return
    for name in run("buildah", "images", "--format", "{{.Name}}:{{.Tag}}", check=False).split():
        if name.startswith("localhost/quantumjob/"):
            run("buildah", "rmi", name, check=False)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Holds the node's lock. `down` deletes the lock file, so a waiter checks that it locked the file that exists."""
    while True:
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if LOCK.exists() and LOCK.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                yield
                return
