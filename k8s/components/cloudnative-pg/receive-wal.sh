#!/usr/bin/env bash
# Streams PostgreSQL's log from the primary into WAL_DIR and gives each finished file to acorag-backup. A file is
# removed from WAL_DIR after it is archived. The server keeps the log that has not arrived here (replication slot), so
# nothing is lost when either side stops. After a failover pg_receivewal reconnects by itself. If a file cannot be
# archived, this script ends with an error that operators can see, and Kubernetes restarts it.
set -euo pipefail

# The time-out detects a primary that has disappeared without closing its connections.
receive=(pg_receivewal --no-password --slot=acorag_backup --dbname=tcp_user_timeout=30000)
# A new slot begins later than a lost one ended, and the server may no longer have the log between them. pg_receivewal
# continues from its unfinished file and would ask for this log for ever, so the file is removed before the slot is made.
slot=$(psql --no-psqlrc --no-password --no-align --tuples-only --command='READ_REPLICATION_SLOT acorag_backup' \
    'dbname=replication replication=true')
if [[ $slot != physical* ]]; then
    rm -f "$WAL_DIR"/*.partial
fi
"${receive[@]}" --create-slot --if-not-exists
"${receive[@]}" --directory="$WAL_DIR" &
receiver=$!
trap 'kill "$receiver" 2>/dev/null || true' EXIT
trap exit TERM INT

# The name of a finished file is 24 hexadecimal digits, or the history of a timeline. An unfinished file ends with
# .partial.
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
