"""The locks in requirements/ match setup.cfg and pyproject.toml. `make lock` writes them."""

from dataclasses import dataclass

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import locks


@dataclass(frozen=True)
class Locked:
    """A package of a lock: its requirement line, its hashes and the packages that need it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    parents: frozenset[str]


def read(lock: str) -> dict[str, Locked]:
    """Returns the packages of a lock by their canonical names."""
    found: dict[str, Locked] = {}
    text = (locks.FOLDER / f"{lock}.txt").read_text().replace(" \\\n", " ").replace("\n    # via", " # via")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        pinned, _, via = line.partition("# via")
        requirement, *hashes = pinned.split(" --hash=")
        parents = frozenset(part.strip() for part in via.split(",") if part.strip() and " -c " not in part)
        parsed = Requirement(requirement)
        found[canonicalize_name(parsed.name)] = Locked(parsed, tuple(each.strip() for each in hashes), parents)
    return found


def test_every_lock_has_a_file_and_every_file_is_a_lock() -> None:
    assert {path.name for path in locks.FOLDER.iterdir()} == {f"{lock}.txt" for lock in locks.LOCKS}


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_a_lock_holds_the_pins_of_its_sources(lock: str) -> None:
    locked = read(lock)
    for pin in map(Requirement, locks.pins(lock)):
        found = locked[canonicalize_name(pin.name)].requirement
        assert (found.specifier, str(found.marker), found.extras) == (pin.specifier, str(pin.marker), pin.extras)


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_a_lock_holds_nothing_that_no_pin_needs(lock: str) -> None:
    locked = read(lock)
    direct = {canonicalize_name(Requirement(pin).name) for pin in locks.pins(lock)}
    for name, package in locked.items():
        assert name in direct or package.parents, f"{name} is needed by nothing"
        assert package.parents <= set(locked), f"{name} is needed by a package that is not in the lock"


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_every_package_of_a_lock_has_one_version_and_hashes(lock: str) -> None:
    for name, package in read(lock).items():
        assert str(package.requirement.specifier).startswith("=="), name
        assert package.hashes, name
        assert all(each.startswith("sha256:") for each in package.hashes), name


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_a_lock_has_the_versions_that_the_tests_run_with(lock: str) -> None:
    dev = read("dev")
    for name, package in read(lock).items():
        assert name not in dev or package.requirement.specifier == dev[name].requirement.specifier, name


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_a_lock_names_no_registry(lock: str) -> None:
    assert "://" not in (locks.FOLDER / f"{lock}.txt").read_text()
