#!/usr/bin/env bash
# Creates a certificate authority and a certificate for each server, for compose.yaml and for tests of TLS.
#
#   ops/tls.sh [FOLDER [DAYS]]        default: .secrets/tls, 90 days
#
# FOLDER/ca has the certificate of the authority, for clients. FOLDER/SERVER has only the files of that server, so that
# a container mounts only its own folder. Only this script uses FOLDER/ca.key. With this key anybody can impersonate the
# servers, so do not store it on them.
#
# A second run keeps the authority and renews the certificates; each file is replaced atomically. A cluster uses
# cert-manager instead.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-.secrets/tls} days=${2:-90}
if [ $# = 0 ]; then mkdir -p .secrets && chmod 700 .secrets; fi
# Servers in containers run as different users, so the files are readable; the folder above them is closed to other
# users.
umask 022
mkdir -p "$folder/ca"
new=$(mktemp -d "$folder/new.XXXXXX")
trap 'rm -rf "$new"' EXIT

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

if [ ! -e "$folder/ca/ca.crt" ]; then
    (umask 077 && key "$folder/ca.key")
    openssl req -x509 -new -key "$folder/ca.key" -days 3650 -subj "/CN=acorag's own authority" \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' -out "$new/ca.crt"
    mv "$new/ca.crt" "$folder/ca/ca.crt"
fi

for server in api nats postgres valkey; do
    # The names of the server in compose.yaml, in k8s/ and on this machine.
    names="DNS:$server,DNS:acorag-$server,DNS:localhost,IP:127.0.0.1"
    case $server in
    nats) names="$names,DNS:*.acorag-nats-headless" ;;
    postgres) names="$names,DNS:acorag-postgres-rw" ;;
    esac
    key "$new/$server.key"
    openssl req -new -key "$new/$server.key" -subj "/CN=$server" |
        openssl x509 -req -CA "$folder/ca/ca.crt" -CAkey "$folder/ca.key" -days "$days" -out "$new/$server.crt" \
            -extfile <(printf '%s\n' "subjectAltName=$names" 'basicConstraints=critical,CA:FALSE' \
                'keyUsage=critical,digitalSignature' 'extendedKeyUsage=serverAuth') 2>"$new/said" ||
        { cat "$new/said" >&2; exit 1; }
    chmod 644 "$new/$server.key"
    cp "$folder/ca/ca.crt" "$new/ca.crt"
    mkdir -p "$folder/$server"
    mv "$new/$server.key" "$new/$server.crt" "$new/ca.crt" "$folder/$server"
done
