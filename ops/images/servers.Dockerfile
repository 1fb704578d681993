# Replacements for images of registries, for a machine without access to a registry (ops/containers.sh): Debian from
# debootstrap with the servers of the development stack. Each contains only what compose.yaml uses of the original
# image.

# Replaces nats
FROM acorag-local/debian AS nats
RUN busybox --install -s /usr/local/bin
COPY .stack/bin/nats-server /usr/local/bin/
ENTRYPOINT ["nats-server"]

# Replaces valkey/valkey
FROM acorag-local/debian AS valkey
RUN busybox --install -s /usr/local/bin && install -d -o 65532 -g 65532 /data
COPY .stack/bin/valkey-server /usr/local/bin/
WORKDIR /data
CMD ["valkey-server"]

# Replaces pgvector/pgvector
FROM acorag-local/debian AS postgres
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres \
    && install -d -o postgres -g postgres /var/lib/postgresql /run/postgresql
COPY .stack/postgres /usr/local/postgresql
COPY ops/images/postgres.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/local/postgresql/bin:/usr/local/bin:/usr/bin:/bin \
    LD_LIBRARY_PATH=/usr/local/postgresql/lib \
    PGDATA=/var/lib/postgresql/18/docker
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
