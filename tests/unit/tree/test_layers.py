"""Each import contract fails where one import that it forbids is added: a contract that cannot fail holds nothing."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PARTS = ("contract", "operator", "worker", "api", "client")
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / ".importlinter")
CONTRACTS = {name.rpartition(":")[2]: CONFIG[name] for name in CONFIG.sections() if ":contract:" in name}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product's sources, without what tests left in them."""
    folder = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def forbidden_import(contract: configparser.SectionProxy) -> tuple[str, str]:
    """Returns a module and one that it must not import by this contract."""
    if contract["type"] == "layers":
        container = f"{contract['containers'].strip()}." if "containers" in contract else ""
        layers = [container + re.split("[|:]", layer)[0].strip() for layer in lines(contract["layers"])]
        return layers[-1], layers[0]
    if contract["type"] == "independence":
        first, second, *_ = lines(contract["modules"])
        return first, second
    return lines(contract["source_modules"])[0], lines(contract["forbidden_modules"])[0]


def file_of(module: str, folder: Path) -> Path:
    part = next(part for part in PARTS if (folder / part / module.split(".", maxsplit=1)[0]).is_dir())
    path = folder / part / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_kept(folder: Path, contract: str) -> bool:
    """Whether import-linter finds nothing against this contract. Fails where it cannot judge."""
    done = subprocess.run(
        ["lint-imports", "--no-cache", "--contract", contract],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(PARTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return done.returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("name", CONTRACTS)
def test_a_forbidden_import_breaks_its_contract(copy: Path, name: str) -> None:
    importer, imported = forbidden_import(CONTRACTS[name])
    path = file_of(importer, copy)
    before = path.read_text()
    assert is_kept(copy, name)
    try:
        path.write_text(f"{before}\nimport {imported}\n")
        assert not is_kept(copy, name), f"{importer} may import {imported}"
    finally:
        path.write_text(before)
