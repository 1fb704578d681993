#!/usr/bin/env bash
# Streams PostgreSQL's log from the primary into WAL_DIR and hands each finished file to acorag-backup. A file leaves
# WAL_DIR when it is archived, and the slot keeps on the server what has not arrived here: nothing is missed, whoever
# stops. Ends when anything fails; Kubernetes starts it again.
set -euo pipefail

pg_receivewal --no-password --slot=acorag_backup --create-slot --if-not-exists
pg_receivewal --no-password --slot=acorag_backup --directory="$WAL_DIR" --no-loop &
receiver=$!
trap 'kill "$receiver" 2>/dev/null || true' EXIT
trap exit TERM INT

# 24 digits, or the history of a timeline. A file still being written ends in .partial.
shopt -s nullglob extglob
while kill -0 "$receiver" 2>/dev/null; do
    for file in "$WAL_DIR"/+([0-9A-F])?(.history); do
        acorag-backup archive "$file"
        rm "$file"
    done
    sleep 1 &
    wait $!
done
wait "$receiver"
