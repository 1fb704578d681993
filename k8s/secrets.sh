#!/usr/bin/env bash
# Prints acorag's Secrets with new random passwords: k8s/secrets.sh PUBLIC_KEY IDENTITY_FILE | kubectl create -f -
# (`create` refuses what is there, so that nothing in use is overwritten.) Both arguments are what `acorag-backup keygen`
# made; keep a copy of the identity elsewhere, since without it no backup can be read.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
recipient=$1
identity=$(base64 -w0 < "$2")

# Letters and digits only, since they stand in URLs as they are; a letter first, or NATS might read a number.
password() { printf p; od -An -N24 -tx1 /dev/urandom | tr -d " \n"; }

# secret NAME TYPE KEY=VALUE…
secret() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: acorag}\ntype: %s\nstringData:\n' "$1" "$2"
    shift 2
    for pair in "$@"; do printf '  %s: "%s"\n' "${pair%%=*}" "${pair#*=}"; done
}

secret acorag-nats Opaque \
    NATS_API_PASSWORD="$(password)" NATS_INGEST_PASSWORD="$(password)" NATS_QUERY_PASSWORD="$(password)" \
    NATS_MIGRATE_PASSWORD="$(password)" NATS_PRODUCER_PASSWORD="$(password)" NATS_BACKUP_PASSWORD="$(password)"
# The owner's twice: CloudNativePG creates it by the names that it knows.
migrate=$(password)
secret acorag-postgres kubernetes.io/basic-auth username=acorag_migrate password="$migrate" \
    POSTGRES_MIGRATE_PASSWORD="$migrate" POSTGRES_INGEST_PASSWORD="$(password)" \
    POSTGRES_QUERY_PASSWORD="$(password)" POSTGRES_BACKUP_PASSWORD="$(password)"
secret acorag-postgres-superuser kubernetes.io/basic-auth username=postgres password="$(password)"
secret acorag-valkey Opaque VALKEY_PASSWORD="$(password)"
secret acorag-backup Opaque BACKUP_RECIPIENT="$recipient"
printf 'data:\n  identity: %s\n' "$identity"
