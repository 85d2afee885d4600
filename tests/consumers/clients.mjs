// Node's HTTP clients read, write, repeat and are refused, with a service of their own behind Larder.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import axios from "axios";
import got from "got";
import ky from "ky";
import { ofetch } from "ofetch";
import { request } from "undici";

const [larder, port] = process.argv.slice(2);
const asked = [];

const service = createServer(async (request, response) => {
    const name = request.url.split("/").pop();
    const answer = (status, headers, body) => response.writeHead(status, headers).end(body);
    let length = 0;
    for await (const piece of request) length += piece.length;
    if (request.method === "PUT") {
        const known = request.headers["if-match"];
        return known && known !== '"v1"' ? answer(412, {}, "newer") : answer(201, { etag: `"${length}"` });
    }
    asked.push(name);
    switch (name.split("-")[0]) {
        case "gzip":
            const headers = { "content-encoding": "gzip", "content-type": "application/json" };
            return answer(200, headers, gzipSync('{"n": 1}'));
        case "moved":
            return answer(301, { location: "/elsewhere" });
        case "busy":
            const again = asked.filter((other) => other === name).length > 1;
            return again ? answer(200, {}, "value") : answer(503, { "retry-after": "1" }, "slowly");
        case "refused":
            return answer(403, { "content-type": "application/problem+json" }, '{"why": 1}');
        case "slow":
            await sleep(2000);
    }
    answer(200, { "content-type": "text/plain", etag: '"v1"' }, "value");
});
await new Promise((listens) => service.listen(Number(port), "127.0.0.1", listens));

const of = (response) => (name) => response.headers.get(name);
// Each answers its status, a way to its headers and its text, whatever the status is.
const clients = {
    fetch: async (url, options) => {
        const response = await fetch(url, { ...options, duplex: "half" });
        return [response.status, of(response), await response.text()];
    },
    ky: async (url, options) => {
        const response = await ky(url, { ...options, retry: 0, throwHttpErrors: false });
        return [response.status, of(response), await response.text()];
    },
    ofetch: async (url, options) => {
        const asking = { ...options, retry: 0, ignoreResponseError: true, responseType: "text" };
        const response = await ofetch.raw(url, asking);
        return [response.status, of(response), response._data ?? ""];
    },
    got: async (url, options) => {
        const response = await got(url, { ...options, retry: { limit: 0 }, throwHttpErrors: false });
        return [response.statusCode, (name) => response.headers[name], response.body];
    },
    axios: async (url, { body, ...options }) => {
        const asking = { ...options, data: body, responseType: "text", validateStatus: null, transformResponse: [] };
        const response = await axios(url, asking);
        return [response.status, (name) => response.headers[name], response.data];
    },
    undici: async (url, options) => {
        const response = await request(url, options);
        const bytes = Buffer.from(await response.body.arrayBuffer());
        return [response.statusCode, (name) => response.headers[name], bytes];
    },
};

async function tries(name, client) {
    const at = (what) => `${larder}/v1/entries/service/${what}-${name}`;
    const ask = async (status, method, what, headers = {}, body = undefined) => {
        const answer = await client(at(what), { method, headers, body });
        assert.equal(answer[0], status, `${name} ${what}: ${answer[2]}`);
        return [answer[1], answer[2]];
    };
    for (const outcome of ["fwd=uri-miss", "hit"]) {
        const [header, text] = await ask(200, "GET", "gzip");
        // undici's own call hands out the bytes as they come.
        if (name === "undici") assert.deepEqual([...text.subarray(0, 2)], [0x1f, 0x8b]);
        else assert.deepEqual(JSON.parse(text), { n: 1 }, name);
        assert.ok(header("cache-status").includes(outcome), header("cache-status"));
    }
    const [header] = await ask(200, "GET", "plain");
    const [looked, nothing] = await ask(200, "HEAD", "plain");
    assert.deepEqual([looked("content-length"), String(nothing)], ["5", ""], name);
    await ask(304, "GET", "plain", { "if-none-match": header("etag") });
    const [written] = await ask(201, "PUT", "plain", { "if-match": '"v1"' }, "12");
    assert.equal(written("etag"), '"2"');
    await ask(412, "PUT", "plain", { "if-match": '"v0"' }, "12");
    const [refused, why] = await ask(403, "GET", "refused");
    assert.equal(refused("content-type"), "application/problem+json");
    assert.deepEqual(JSON.parse(why), { why: 1 });
    const code = async (...asking) => JSON.parse((await ask(...asking))[1]).code;
    assert.equal(await code(502, "GET", "moved"), "origin_failed");
    assert.equal(await code(504, "GET", "slow", { "larder-timeout-ms": "200" }), "deadline_exceeded");
    // An answer before the body was sent leaves a client that can go on asking.
    for (let round = 0; round < 3; round++) {
        assert.equal(await code(413, "PUT", "plain", {}, "x".repeat(2_000_000)), "body_too_large", name);
        await ask(200, "GET", "plain");
    }
}

for (const [name, client] of Object.entries(clients)) {
    await tries(name, client);
    console.log(`${name}: as it should be`);
}

// What they do by themselves when they are told to ask again in a second.
const busy = (name) => `${larder}/v1/entries/service/busy-${name}`;
const counts = (name) => asked.filter((other) => other === `busy-${name}`).length;
assert.equal(await ky(busy("ky")).text(), "value");
assert.equal(await got(busy("got")).text(), "value");
const gaveUp = await ofetch(busy("ofetch")).catch((error) => error);
assert.deepEqual([gaveUp.status, gaveUp.data.code], [503, "origin_resting"], "it asks again at once");
await sleep(1200);
for (const name of ["fetch", "axios", "undici"]) {
    const [status] = await clients[name](busy(name), { method: "GET" });
    assert.deepEqual([status, counts(name)], [503, 1], `${name} leaves it at that`);
    await sleep(1200);
}
assert.deepEqual([counts("ky"), counts("got"), counts("ofetch")], [2, 2, 1]);
console.log("ky and got ask again when they may, ofetch at once, the others not at all");
service.closeAllConnections();
service.close();
