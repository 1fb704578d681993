#!/usr/bin/env bash
# Creates what compose.yaml needs for its first start: passwords in .env, and the key pair of the backups. A second run
# does not change existing values.
#
# usage: ops/secrets.sh [FOLDER]   (default: where compose.yaml is)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "${1:-$root}"
umask 077

env=.env
touch "$env"
chmod 600 "$env"

has() { grep -q "^$1=." "$env"; }

for name in NATS_{API,INGEST,QUERY,MIGRATE,PRODUCER,BACKUP}_PASSWORD \
    POSTGRES_PASSWORD POSTGRES_{MIGRATE,INGEST,QUERY,BACKUP,MONITOR}_PASSWORD VALKEY_PASSWORD GRAFANA_PASSWORD; do
    # Hexadecimal, because passwords are in URLs; the first character is a letter, because nats.conf reads 1234e5 as a
    # number.
    has "$name" || echo "$name=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >> "$env"
done

# Alertmanager reads the addresses of its webhooks from this folder (ops/alertmanager). It runs as another user, so this
# folder is readable; the folder above it is closed to other users.
mkdir -p .secrets/alerts
chmod 755 .secrets/alerts

# The identity decrypts all backups, and without it no backup can be read: keep a copy on another machine. To make
# backups, only its public key is needed.
if ! has BACKUP_RECIPIENT; then
    image=${ACORAG_IMAGE:-acorag/acorag}
    docker image inspect "$image" > /dev/null 2>&1 || docker build --tag "$image" "$root"
    recipient=$(docker run --rm --network none --read-only --cap-drop ALL --user "$(id -u):$(id -g)" \
        --volume "$PWD/.secrets:/secrets" "$image" acorag-backup keygen "/secrets/backup-$(date +%Y%m%dT%H%M%S).key")
    echo "BACKUP_RECIPIENT=$recipient" >> "$env"
    echo "The key that opens the backups is in $PWD/.secrets: keep a copy away from this machine." >&2
fi
