"""Invalid manifests that `kubectl apply` refuses, with a message that names the field and the rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from namespaces import Namespace, pub, quantumjob

import cluster

FILES = sorted((Path(__file__).parent / "refused").glob("*.yaml"))
EDITS = sorted((Path(__file__).parent / "refused" / "edits").iterdir())
NAMESPACE = "default"
"""Nothing is created there: each request is a dry run."""


def expected(path: Path) -> str:
    """Reads the expected message from the first line of a manifest."""
    first = path.read_text().splitlines()[0]
    assert first.startswith("# expect: ")
    return first.removeprefix("# expect: ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_invalid_manifest_is_refused(path: Path) -> None:
    with pytest.raises(RuntimeError) as refusal:
        cluster.kubectl("create", "-n", NAMESPACE, "--dry-run=server", "--validate=strict", "-f", str(path))
    assert expected(path) in str(refusal.value)


def test_501_pubs_are_refused() -> None:
    body = quantumjob("many", {"pubs": [pub(f"p{number}") for number in range(501)]})
    with pytest.raises(RuntimeError, match="must have at most 500 items"):
        cluster.kubectl("create", "-n", NAMESPACE, "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body))


def refusal_of(*arguments: str) -> str:
    """Returns the error of kubectl. Retries on a conflict with a status write of the operator."""
    for _ in range(10):
        with pytest.raises(RuntimeError) as refusal:
            cluster.kubectl(*arguments)
        if "the object has been modified" not in str(refusal.value):
            break
    return str(refusal.value)


@pytest.mark.parametrize("case", EDITS, ids=lambda path: path.name)
def test_an_edit_is_refused(case: Path, namespace: Namespace) -> None:
    before, after = case / "before.yaml", case / "after.yaml"
    cluster.kubectl("apply", "-n", namespace.name, "-f", str(before))
    for verb in (["apply"], ["replace"], ["apply", "--server-side", "--force-conflicts"]):
        assert expected(after) in refusal_of(*verb, "-n", namespace.name, "-f", str(after))
    assert "unchanged" in cluster.kubectl("apply", "-n", namespace.name, "-f", str(before))
