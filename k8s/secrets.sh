#!/usr/bin/env bash
# Prints acorag's Secrets with new random passwords:            k8s/secrets.sh PUBLIC_KEY | kubectl create -f -
# Prints the Secret that decrypts backups, to restore or verify:  k8s/secrets.sh --identity FILE | kubectl create -f -
#
# (`create` refuses existing Secrets, so that nothing in use is overwritten.) PUBLIC_KEY is what `acorag-backup keygen FILE`
# printed. Keep the file in a safe place outside the cluster: without it no backup can be read, and with it every backup can.
set -euo pipefail

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

if [ "${1:-}" = --identity ]; then
    [ $# -eq 2 ] || usage
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: acorag-backup-identity, namespace: acorag}\ntype: Opaque\n'
    printf 'data:\n  identity: %s\n' "$(base64 -w0 < "$2")"
    exit
fi
[ $# -eq 1 ] || usage
case $1 in age1*) ;; *) usage ;; esac

# Only letters and digits, because passwords are in URLs; the first is a letter, because NATS may read digits as a
# number.
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
# The owner's password is stored twice, because CloudNativePG reads it under the names `username` and `password`.
migrate=$(password)
secret acorag-postgres kubernetes.io/basic-auth username=acorag_migrate password="$migrate" \
    POSTGRES_MIGRATE_PASSWORD="$migrate" POSTGRES_INGEST_PASSWORD="$(password)" \
    POSTGRES_QUERY_PASSWORD="$(password)" POSTGRES_BACKUP_PASSWORD="$(password)"
secret acorag-postgres-superuser kubernetes.io/basic-auth username=postgres password="$(password)"
secret acorag-valkey Opaque VALKEY_PASSWORD="$(password)"
secret acorag-backup Opaque BACKUP_RECIPIENT="$1"
