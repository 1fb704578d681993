#!/bin/sh
# Backs up for as long as it runs: everything once a day, files and queue every few minutes in between. The log needs no
# schedule: PostgreSQL archives it as it grows. A run that fails is tried again at the next turn; the age of the last
# success is watched (docs/operations.md).
set -u
full_every=${BACKUP_FULL_SECONDS:-86400}
files_every=${BACKUP_FILES_SECONDS:-900}
trap 'exit 0' TERM INT
# A restart is no reason for another full backup: it would push an old one out.
last_full=$(stat -c %Y "$BACKUP_DIR"/sets/*/base.age 2>/dev/null | sort -n | tail -n 1)
last_full=${last_full:-0}
while :; do
    now=$(date +%s)
    if [ $((now - last_full)) -ge "$full_every" ]; then
        acorag-backup run && last_full=$now
    else
        acorag-backup run --files
    fi
    # In the background, so that a signal ends the wait.
    sleep "$files_every" & wait $!
done
