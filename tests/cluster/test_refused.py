"""What can be refused at `kubectl apply` is refused there, by a message that names the field and the rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from conftest import Namespace, pub, refused_files

import cluster

EDITS = sorted((Path(__file__).parent / "refused" / "edits").iterdir())


def expected(path: Path) -> str:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# expect: ")
    return first.removeprefix("# expect: ")


@pytest.fixture(scope="module")
def anywhere() -> str:
    return "default"


@pytest.mark.parametrize("path", refused_files(), ids=lambda path: path.stem)
def test_refused(path: Path, anywhere: str) -> None:
    with pytest.raises(RuntimeError) as refusal:
        cluster.kubectl("create", "-n", anywhere, "--dry-run=server", "--validate=strict", "-f", str(path))
    assert expected(path) in str(refusal.value)


def test_501_pubs_are_refused(anywhere: str) -> None:
    body = {
        "apiVersion": "quantumjobs.io/v1alpha1",
        "kind": "QuantumJob",
        "metadata": {"name": "many"},
        "spec": {"program": {"pubs": [pub(f"p{number}") for number in range(501)]}},
    }
    with pytest.raises(RuntimeError, match="must have at most 500 items"):
        cluster.kubectl("create", "-n", anywhere, "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body))


@pytest.mark.parametrize("case", EDITS, ids=lambda path: path.name)
def test_an_edit_is_refused(case: Path, namespace: Namespace) -> None:
    before, after = case / "before.yaml", case / "after.yaml"
    cluster.kubectl("apply", "-n", namespace.name, "-f", str(before))
    for verb in (["apply"], ["replace"], ["apply", "--server-side", "--force-conflicts"]):
        with pytest.raises(RuntimeError) as refusal:
            cluster.kubectl(*verb, "-n", namespace.name, "-f", str(after))
        assert expected(after) in str(refusal.value)
    assert "unchanged" in cluster.kubectl("apply", "-n", namespace.name, "-f", str(before))
