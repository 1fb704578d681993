#!/usr/bin/env bash
# Streams PostgreSQL's log from the primary into WAL_DIR and hands each finished file to acorag-backup. A file leaves
# WAL_DIR when it is archived. The replication slot keeps on the server what has not arrived here, so nothing is lost when
# either side stops. pg_receivewal reconnects by itself after a failover. If a file cannot be archived, the script ends with
# an error that operators can see, and Kubernetes starts it again.
set -euo pipefail

# The time-out notices a primary that vanished without closing its connections.
receive=(pg_receivewal --no-password --slot=acorag_backup --dbname=tcp_user_timeout=30000)
"${receive[@]}" --create-slot --if-not-exists
"${receive[@]}" --directory="$WAL_DIR" &
receiver=$!
trap 'kill "$receiver" 2>/dev/null || true' EXIT
trap exit TERM INT

# A finished file's name is 24 digits, or the history of a timeline. An unfinished file's name ends in .partial.
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
