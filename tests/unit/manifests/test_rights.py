"""Who may do what: the whole of it, so that a right more or less fails here."""

from __future__ import annotations

import pytest
from rendered import INSTALLS, JSON, WITH_API, install, of_kind

READ = ("get", "list", "watch")
TABLE = {
    "quantumjob-operator": {
        ("quantumjobs.io", "quantumjobs"): READ,
        ("quantumjobs.io", "quantumjobs/status"): ("patch",),
        ("batch", "jobs"): (*READ, "create", "delete"),
        ("", "pods"): READ,
        ("events.k8s.io", "events"): ("create",),
    },
    "quantumjob-reconciler": {
        ("quantumjobs.io", "quantumjobs"): ("get", "list"),
        ("quantumjobs.io", "quantumjobs/status"): ("patch",),
        ("batch", "jobs"): ("get", "list"),
        ("", "pods"): ("get", "list"),
        ("events.k8s.io", "events"): ("create",),
    },
    "quantumjob-view": {("quantumjobs.io", "quantumjobs"): READ},
    "quantumjob-edit": {
        ("quantumjobs.io", "quantumjobs"): ("create", "update", "patch", "delete", "deletecollection"),
    },
}
ACCOUNTS = {"quantumjob-operator", "quantumjob-reconciler"}
AUTHORITY = "quantumjob-api-ca"
"""The one Role that the REST service brings: its certificate's authority may be known. The service has no right."""


def rights(role: JSON) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for rule in role["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found[group, resource] = (*found.get((group, resource), ()), *rule["verbs"])
    return found


@pytest.mark.parametrize("name", INSTALLS)
def test_rights_are_these_and_no_more(name: str) -> None:
    assert {role["metadata"]["name"]: rights(role) for role in roles(name)} == TABLE


@pytest.mark.parametrize("name", INSTALLS)
def test_no_wildcard_and_nothing_on_secrets(name: str) -> None:
    for role in roles(name):
        for (group, resource), verbs in rights(role).items():
            assert "*" not in (group, resource, *verbs)
            assert not resource.startswith("secrets")


@pytest.mark.parametrize("name", INSTALLS)
def test_each_account_has_its_own_role(name: str) -> None:
    objects = install(name)
    bindings = [
        item for item in of_kind(objects, "ClusterRoleBinding", "RoleBinding") if item["roleRef"]["name"] != AUTHORITY
    ]
    assert {item["roleRef"]["name"] for item in bindings} == ACCOUNTS
    for item in bindings:
        account = {"kind": "ServiceAccount", "name": item["roleRef"]["name"], "namespace": "quantumjob-system"}
        assert item["subjects"] == [account]
    accounts = of_kind(objects, "ServiceAccount")
    own = {"quantumjob-api"} if name in WITH_API else set()
    assert {item["metadata"]["name"] for item in accounts} == ACCOUNTS | own
    assert not any(item["automountServiceAccountToken"] for item in accounts)


def test_the_namespaced_install_has_no_cluster_wide_right() -> None:
    objects = install("overlays/namespaced")
    assert not of_kind(objects, "ClusterRoleBinding")
    granted = of_kind(objects, "Role", "RoleBinding")
    assert {(item["kind"], item["metadata"]["name"]) for item in granted} == {
        (kind, account) for kind in ("Role", "RoleBinding") for account in ACCOUNTS
    }
    assert {item["metadata"]["namespace"] for item in granted} == {"quantum"}
    assert {item["roleRef"]["kind"] for item in of_kind(objects, "RoleBinding")} == {"Role"}


def test_users_get_rights_by_aggregation_alone() -> None:
    aggregate = "rbac.authorization.k8s.io/aggregate-to-"
    labels = {role["metadata"]["name"]: role["metadata"]["labels"] for role in of_kind(install("base"), "ClusterRole")}
    to = {name: {key.removeprefix(aggregate) for key in found if aggregate in key} for name, found in labels.items()}
    assert to == {
        "quantumjob-view": {"view", "edit", "admin"},
        "quantumjob-edit": {"edit", "admin"},
        "quantumjob-operator": set(),
        "quantumjob-reconciler": set(),
    }


def roles(name: str) -> list[JSON]:
    """All but the one by which the REST service's authority may be known."""
    return [role for role in of_kind(install(name), "ClusterRole", "Role") if role["metadata"]["name"] != AUTHORITY]


@pytest.mark.parametrize("name", WITH_API)
def test_the_rest_service_has_no_right_of_its_own(name: str) -> None:
    objects = install(name)
    bindings = of_kind(objects, "ClusterRoleBinding", "RoleBinding")
    assert "quantumjob-api" not in {subject["name"] for item in bindings for subject in item["subjects"]}
    (role,) = [item for item in of_kind(objects, "Role") if item["metadata"]["name"] == AUTHORITY]
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [AUTHORITY], "verbs": ["get"]}
    assert role["rules"] == [rule]
    (pod,) = [item for item in of_kind(objects, "Deployment") if item["metadata"]["name"] == "quantumjob-api"]
    volumes = pod["spec"]["template"]["spec"]["volumes"]
    assert not any("serviceAccountToken" in str(volume) for volume in volumes)
