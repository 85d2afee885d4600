#!/usr/bin/env bash
# Starts and stops a PostgreSQL of this example's own, on 127.0.0.1:5544, in the folder data beside
# this file. Needs the server's programs (package postgresql) and nothing that runs already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
data=$here/data
programs=$(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null | tail -1 || true)
export PATH=$PATH${programs:+:$programs}

# PostgreSQL refuses to run as root.
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        runuser -u postgres -- env PATH="$PATH" "$@"
    else
        "$@"
    fi
}

start() {
    command -v initdb >/dev/null || {
        echo "initdb is not there: install PostgreSQL (package postgresql)" >&2
        exit 1
    }
    if [ ! -d "$data" ]; then
        install -d -m 700 "$data"
        [ "$(id -u)" != 0 ] || chown postgres "$data"
        as_owner initdb -D "$data" -U shop --auth=trust >/dev/null
        new=1
    fi
    as_owner pg_ctl -D "$data" -l "$data/log" -w -o "-p 5544 -c listen_addresses=127.0.0.1 -k ''" start >/dev/null
    if [ -n "${new:-}" ]; then
        psql -q -h 127.0.0.1 -p 5544 -U shop postgres -c 'CREATE DATABASE shop'
        psql -q -h 127.0.0.1 -p 5544 -U shop shop <"$here/schema.sql"
    fi
    echo "PostgreSQL runs: psql -h 127.0.0.1 -p 5544 -U shop shop"
}

case ${1:-} in
    start) start ;;
    stop) as_owner pg_ctl -D "$data" -m fast stop >/dev/null && echo "PostgreSQL has stopped" ;;
    remove) as_owner pg_ctl -D "$data" -m fast stop >/dev/null 2>&1 || true; rm -rf "$data" "$here/queue" ;;
    *) echo "usage: $0 start | stop | remove" >&2; exit 2 ;;
esac
