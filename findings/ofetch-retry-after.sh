#!/usr/bin/env bash
# ofetch 1.4.1 on Node 20 (undici): a GET that is answered 503 or 429 with "Retry-After: 2" is sent again at
# once, without heeding the header, and once only, so a service that asks for room gets twice the requests.
# ky 1.8.1 waits the two seconds that the same header asks for.
# Seen: "ofetch: 2 requests, waited under 0.5 s", "ky: 2 requests, waited 2 s". Exits with 0 while it is so,
# otherwise with 1. Needs npm, Node and the network; seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"type": "module"}' >package.json
npm install --no-audit --no-fund --silent ofetch@1.4.1 ky@1.8.1

cat >retry.js <<'JS'
import { createServer } from "node:http";
import { ofetch } from "ofetch";
import ky from "ky";

const times = [];
const server = createServer((_, response) => {
  times.push(performance.now());
  response.writeHead(503, { "retry-after": "2" }).end();
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}/`;

async function ask(name, get) {
  times.length = 0;
  await get().catch(() => {});
  const waited = (times[1] - times[0]) / 1000;
  const words = waited < 0.5 ? "under 0.5 s" : `${Math.floor(waited)} s`;
  console.log(`${name}: ${times.length} requests, waited ${words}`);
}
await ask("ofetch", () => ofetch(url));
await ask("ky", () => ky(url, { retry: 1 }));
server.close();
JS
node retry.js | tee seen
diff seen - <<'SEEN'
ofetch: 2 requests, waited under 0.5 s
ky: 2 requests, waited 2 s
SEEN
