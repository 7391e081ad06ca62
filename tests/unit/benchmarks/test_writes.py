"""Tests of counting writes by the API server's metrics."""

from benchmarks import writes

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="quantumjobs.io",resource="quantumjobs",subresource="status",verb="APPLY"} 40
apiserver_request_total{code="409",group="quantumjobs.io",resource="quantumjobs",subresource="status",verb="APPLY"} 2
apiserver_request_total{code="201",group="events.k8s.io",resource="events",subresource="",verb="POST"} 1e+01
apiserver_request_total{code="201",group="",resource="events",subresource="",verb="POST"} 5
apiserver_request_total{code="200",group="quantumjobs.io",resource="quantumjobs",subresource="",verb="GET"} 7
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",subresource="",verb="PUT"} 90
apiserver_request_total_other{code="200",resource="pods",subresource="",verb="POST"} 3
"""


def test_what_changes_something_is_counted_by_resource_and_verb() -> None:
    assert writes.parse(METRICS) == {
        ("quantumjobs/status", "APPLY"): 40,
        ("quantumjobs/status", "APPLY (409)"): 2,
        ("events", "POST"): 15,
    }
