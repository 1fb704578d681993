#!/bin/sh
# Makes backups while it runs: a full backup once a day, and files and queue every few minutes, also during a full
# backup. The log needs no schedule, because PostgreSQL archives it continuously. A failed run is repeated at the next
# time; an alert watches the age of the last success (docs/operations.md).
set -u
full_every=${BACKUP_FULL_SECONDS:-86400}
files_every=${BACKUP_FILES_SECONDS:-900}
full=
trap 'kill $full $! 2>/dev/null; exit 0' TERM INT
# After a restart no new full backup starts at once, because a full backup deletes the oldest one.
last_full=$(for base in "$BACKUP_DIR"/sets/*/base.age; do
    [ -e "${base%base.age}set.json" ] && stat -c %Y "$base"
done | sort -n | tail -n 1)
last_full=${last_full:-0}
while :; do
    if [ -n "$full" ] && ! kill -0 "$full" 2>/dev/null; then
        wait "$full" && last_full=$begun
        full=
    fi
    now=$(date +%s)
    if [ -z "$full" ] && [ $((now - last_full)) -ge "$full_every" ]; then
        begun=$now
        acorag-backup run &
        full=$!
    fi
    # Backups of files and queue are based on a full backup, so there must be one.
    [ "$last_full" -eq 0 ] || acorag-backup run --files
    # `sleep` runs in the background, so that a signal can end the wait.
    sleep "$files_every" & wait $!
done
