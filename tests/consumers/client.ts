// A client that is generated from the document reads, fills and invalidates.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./larder.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const entry = { params: { path: { resource: "product", id: "50% off/x" } } };

const missing = await client.GET("/v1/entries/{resource}/{id}", entry);
assert.equal(missing.response.status, 404);
assert.equal(missing.error?.code, "leased");
const lease = missing.response.headers.get("Larder-Lease") ?? "";

const filled = await client.PUT("/v1/leases/{lease}", {
  params: { path: { lease } },
  body: { price: 5 },
});
assert.equal(filled.data?.stored, true);

const hit = await client.GET("/v1/entries/{resource}/{id}", entry);
assert.deepEqual(hit.data, { price: 5 });

const gone = await client.POST("/v1/invalidate", {
  body: { rows: [{ resource: "product", id: "50% off/x" }] },
});
assert.equal(gone.data?.removed, 1);
assert.equal(gone.data?.found?.rows[0]?.known, true);

const asked = await client.POST("/v1/decide", {
  body: { request: { operation: "read", resource: "product", id: "1" } },
});
assert.equal(asked.data?.decision.strategy, "cache_aside");
