#!/usr/bin/env bash
# Streams PostgreSQL's log from the primary into WAL_DIR and hands each finished file to acorag-backup. A file leaves
# WAL_DIR when it is archived, and the slot keeps on the server what has not arrived here: nothing is missed, whoever
# stops. pg_receivewal comes back by itself after a failover; what cannot be archived ends the script, for all to see, and
# Kubernetes starts it again.
set -euo pipefail

# A primary that vanished without a word is noticed.
receive=(pg_receivewal --no-password --slot=acorag_backup --dbname=tcp_user_timeout=30000)
"${receive[@]}" --create-slot --if-not-exists
"${receive[@]}" --directory="$WAL_DIR" &
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
