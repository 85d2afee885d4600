#!/usr/bin/env bash
# componentize-js 0.23.0 (StarlingMonkey; transpiled by jco 1.35.0, run by Node 20): a negative s64 that is
# handed to JavaScript as a parameter arrives as the unsigned number of the same bits. No error is raised:
# -7n arrives as 18446744073709551609n, so `x < 0n` is false. In a list<s64> it arrives as -7n, and so does
# a negative s32. Right by the component model: the same signed number, wherever it stands.
# Exits with 0 while it is so, otherwise with 1. Needs npm, Node and the network; about a minute.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"type": "module"}' >package.json
npm install --no-audit --no-fund --silent \
    @bytecodealliance/componentize-js@0.23.0 @bytecodealliance/jco@1.35.0

cat >world.wit <<'WIT'
package try:signs;
world signs {
  export long: func(x: s64) -> string;
  export longs: func(x: list<s64>) -> string;
  export short: func(x: s32) -> string;
}
WIT
cat >signs.js <<'JS'
export const long = (x) => `${x} ${x < 0n}`;
export const longs = (x) => `${x[0]}`;
export const short = (x) => `${x}`;
JS
node_modules/.bin/componentize-js signs.js --wit world.wit -n signs \
    -d stdio random clocks http fetch-event -o signs.wasm >/dev/null
node_modules/.bin/jco transpile signs.wasm -o out -q >/dev/null
cat >run.js <<'JS'
import { long, longs, short } from "./out/signs.js";
console.log(`s64 -7: ${long(-7n)}`);
console.log(`list<s64> -7: ${longs(new BigInt64Array([-7n]))}`);
console.log(`s32 -7: ${short(-7)}`);
JS
node run.js | tee seen
diff seen - <<'SEEN'
s64 -7: 18446744073709551609 false
list<s64> -7: -7
s32 -7: -7
SEEN
