# One file, a target for each image:
#
#   operator    operator and reconciler, without Qiskit
#   worker      Qiskit Aer, without kopf and without a client of Kubernetes or S3
#   api         the REST service, without Qiskit and without kopf
#   seaweedfs   the object store of the quickstart
#   notebook    the client with a Jupyter kernel, like a user's pod; not part of an installation
#
# BASE_IMAGE needs a shell, certificates, and python3 (3.11 or newer) with venv. Build and final stages share it, so that
# the virtual environment fits. `hack/images build` makes one; elsewhere any Debian, UBI or python-slim image works. A tag
# can change: give NAME@sha256:DIGEST to build the same image again (docs/dependencies.md).
#
#   buildah bud --target worker --build-arg BASE_IMAGE=NAME@sha256:DIGEST -t quantumjob/worker:0.1.0 .
ARG BASE_IMAGE=python:3.11-slim-bookworm

# pip stays in /opt/build; /opt/quantumjob holds only what runs.
FROM ${BASE_IMAGE} AS build
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/quantumjob
ENV PATH=/opt/build/bin:$PATH PIP_NO_COMPILE=1

FROM build AS wheel
WORKDIR /source
COPY requirements/build.txt requirements/
RUN pip install --require-hashes --requirement requirements/build.txt
COPY pyproject.toml setup.cfg LICENSE ./
COPY client client
COPY contract contract
COPY operator operator
COPY worker worker
COPY api api
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# Dependencies come from the locks in requirements/, in a layer that a change of the sources does not rebuild. All files
# are compiled to unchecked .pyc: an image's files never change, so nothing is compared at import and nothing is written
# to the read-only root. Without them the worker's imports take four times as long.
FROM build AS operator-build
ENV PIP_PYTHON=/opt/quantumjob/bin/python
COPY requirements/operator.txt /requirements/
RUN pip install --require-hashes --requirement /requirements/operator.txt \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob_*

FROM build AS worker-build
ENV PIP_PYTHON=/opt/quantumjob/bin/python
COPY requirements/worker.txt requirements/qsim.txt /requirements/
RUN pip install --require-hashes --requirement /requirements/worker.txt \
 && pip install --require-hashes --no-deps --requirement /requirements/qsim.txt \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob_*

FROM build AS api-build
ENV PIP_PYTHON=/opt/quantumjob/bin/python
COPY requirements/api.txt /requirements/
RUN pip install --require-hashes --requirement /requirements/api.txt \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob_*

FROM build AS notebook-build
ENV PIP_PYTHON=/opt/quantumjob/bin/python
COPY requirements/notebook.txt /requirements/
RUN pip install --require-hashes --requirement /requirements/notebook.txt \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob*

FROM build AS seaweedfs-build
ENV PIP_PYTHON=/opt/quantumjob/bin/python
COPY requirements/seaweedfs.txt /requirements/
RUN pip install --require-hashes --requirement /requirements/seaweedfs.txt

# The user is a number, so that Kubernetes can tell that it is not root. Any other number works too.
FROM ${BASE_IMAGE} AS operator
COPY --from=operator-build /opt/quantumjob /opt/quantumjob
ENV PATH=/opt/quantumjob/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532
ENTRYPOINT ["/opt/quantumjob/bin/python", "-m", "quantumjob_operator"]

# Waiting threads must not spin: with a busy neighbour that is up to 15 times slower than one thread. BLAS gets one thread,
# because the simulator's own threads share the limit, and a forked child must not find a pool without threads.
FROM ${BASE_IMAGE} AS worker
COPY --from=worker-build /opt/quantumjob /opt/quantumjob
ENV PATH=/opt/quantumjob/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1
USER 65532
ENTRYPOINT ["/opt/quantumjob/bin/python", "-m", "quantumjob_worker"]

FROM ${BASE_IMAGE} AS api
COPY --from=api-build /opt/quantumjob /opt/quantumjob
ENV PATH=/opt/quantumjob/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532
ENTRYPOINT ["/opt/quantumjob/bin/python", "-m", "quantumjob_api"]

FROM ${BASE_IMAGE} AS seaweedfs
COPY --from=seaweedfs-build /opt/quantumjob/bin/weed /usr/local/bin/weed
USER 65532
ENTRYPOINT ["/usr/local/bin/weed"]

FROM ${BASE_IMAGE} AS notebook
COPY --from=notebook-build /opt/quantumjob /opt/quantumjob
ENV PATH=/opt/quantumjob/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 65532
CMD ["sleep", "infinity"]
