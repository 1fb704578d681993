#!/bin/sh
# At the first start, creates the database from the variables that the official image uses; then runs its arguments.
set -eu
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    # The folder gets its final name only when the database is complete.
    rm -rf "$PGDATA.part"
    mkdir -p "$PGDATA.part"
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username postgres --encoding UTF8 --locale C.UTF-8 --auth-host scram-sha-256 --auth-local trust \
        --pwfile /tmp/password --no-instructions -D "$PGDATA.part"
    rm /tmp/password
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -j -D "$PGDATA.part" postgres
    mv "$PGDATA.part" "$PGDATA"
fi
exec "$@"
