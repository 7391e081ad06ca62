"""What an overlay sets arrives everywhere it must; and the examples are what they say."""

from __future__ import annotations

import base64
import configparser
import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml
from rendered import INSTALLS, MANIFESTS, ROOT, install, of_kind, pods, render

from quantumjob_operator.settings import Settings

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A folder two levels above base, with an image of each kind by tag and digest."""
    up = "../" * len(tmp_path.resolve().parts[1:])
    kustomization = {
        "resources": [f"{up}{str(MANIFESTS / 'overlays/quickstart')[1:]}"],
        "images": [
            {"name": f"quantumjob/{name}", "newName": f"r.example/{name}", "newTag": "7", "digest": DIGEST}
            for name in ("operator", "worker", "api", "seaweedfs")
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return tmp_path


def environment(name: str, pod: str) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in pods(install(name))[pod]["containers"][0].get("env", [])}


def test_images_rewrite_every_image_and_the_worker_s_too(overlay: Path) -> None:
    found = pods(render(overlay))
    images = {name: pod["containers"][0]["image"] for name, pod in found.items()}
    assert images == {
        "quantumjob-api": f"r.example/api:7@{DIGEST}",
        "quantumjob-operator": f"r.example/operator:7@{DIGEST}",
        "quantumjob-reconciler": f"r.example/operator:7@{DIGEST}",
        "seaweedfs": f"r.example/seaweedfs:7@{DIGEST}",
    }
    worker = [
        item["value"]
        for item in found["quantumjob-operator"]["containers"][0]["env"]
        if item["name"] == "QUANTUMJOB_WORKER_IMAGE"
    ]
    assert worker == [f"r.example/worker:7@{DIGEST}"]


def test_images_are_of_the_project_s_version() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    version = setup["metadata"]["version"]
    for name in INSTALLS:
        for pod in pods(install(name)).values():
            assert pod["containers"][0]["image"].endswith(f":{version}")
        assert environment(name, "quantumjob-operator")["QUANTUMJOB_WORKER_IMAGE"] == f"quantumjob/worker:{version}"


@pytest.mark.parametrize("name", INSTALLS)
def test_the_operator_is_told_what_it_needs(name: str) -> None:
    watched = "quantum" if name == "overlays/namespaced" else ""
    found = environment(name, "quantumjob-operator")
    assert found["QUANTUMJOB_ORDERS_URL"] == "https://quantumjob-operator.$(POD_NAMESPACE).svc:8443"
    assert list(found).index("POD_NAMESPACE") < list(found).index("QUANTUMJOB_ORDERS_URL")
    assert found["QUANTUMJOB_NAMESPACES"] == watched
    assert environment(name, "quantumjob-reconciler")["QUANTUMJOB_NAMESPACES"] == watched


@pytest.mark.parametrize("name", INSTALLS)
@pytest.mark.parametrize("setting", ["workers_max_per_namespace", "workers_linger_seconds"])
def test_the_settings_of_shared_workers_are_shown_with_their_defaults(name: str, setting: str) -> None:
    """So that whoever wants another value sees where it goes."""
    found = environment(name, "quantumjob-operator")["QUANTUMJOB_" + setting.upper()]
    assert type(Settings.model_fields[setting].default)(found) == Settings.model_fields[setting].default


@pytest.mark.parametrize("name", INSTALLS)
@pytest.mark.parametrize("pod", ["quantumjob-operator", "quantumjob-reconciler"])
def test_every_variable_is_a_setting(name: str, pod: str) -> None:
    named = {key for key in environment(name, pod) if key.startswith("QUANTUMJOB_")}
    assert named <= {"QUANTUMJOB_" + setting.upper() for setting in Settings.model_fields}


@pytest.mark.parametrize("name", INSTALLS)
def test_names_do_not_churn(name: str) -> None:
    for item in of_kind(install(name), "ConfigMap"):
        assert item["metadata"]["name"] in {"quantumjob-store", "quantumjob-service-ca"}


def test_only_s3_is_reachable_in_the_quickstart_s_store() -> None:
    pod = pods(install("overlays/quickstart"))["seaweedfs"]
    arguments = pod["containers"][0]["args"]
    assert {"-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0", "-s3.iam=false", "-master.telemetry=false"} <= set(arguments)
    assert {"WEED_GRPC_CA", "WEED_GRPC_S3_CERT", "WEED_GRPC_S3_KEY"} <= {
        item["name"] for item in pod["containers"][0]["env"]
    }


@pytest.mark.parametrize(
    "reference", ["quantumjob/worker", "quantumjob/other:1", "quantumjob/worker@md5:abc"], ids=["bare", "other", "md5"]
)
def test_install_refuses_an_image_that_it_cannot_pin(reference: str) -> None:
    done = subprocess.run(
        [MANIFESTS / "overlays/quickstart/install", reference],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"install: {reference}")


def test_the_example_from_the_bucket_has_the_circuit_s_sha256() -> None:
    job = yaml.safe_load((ROOT / "examples/ghz-from-bucket.yaml").read_text())
    found = job["spec"]["program"]["pubs"][0]["circuit"]["object"]
    assert found["sha256"] == hashlib.sha256((ROOT / "examples/ghz.qasm").read_bytes()).hexdigest()


def test_the_examples_show_all_formats() -> None:
    shown = set()
    for file in (ROOT / "examples").glob("*.yaml"):
        job = yaml.safe_load(file.read_text())
        assert job["metadata"]["name"] == file.stem
        for pub in job["spec"]["program"]["pubs"]:
            circuit = pub["circuit"]
            shown.add(circuit.get("format", "OpenQASM3"))
            if circuit.get("format") == "QPY":
                assert base64.b64decode(circuit["inline"]).startswith(b"QISKIT")
    assert shown == {"OpenQASM2", "OpenQASM3", "QPY"}
