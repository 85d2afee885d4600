// The policy of the table, for componentize-js (StarlingMonkey) and for jco (QuickJS).
const none = {
  ttlMs: 60000n, jitterPercent: 0, timeToIdleMs: 0n, staleWhileRevalidateMs: 0n,
  staleIfErrorMs: 0n, negativeTtlMs: 0n, earlyRefreshBeta: 0,
};

export function describe() {
  return {
    name: "toolchain", version: "1.0.0", summary: "Rows by id, for a minute",
    requestAttributes: ["query.page"], responseAttributes: [],
    usesClock: false, readsBody: false, admits: false,
  };
}

export function configure(settings) {
  JSON.parse(settings);
}

export function decide(request) {
  // The key holds everything that the manifest asks for: the origin is shown the same.
  const page = new Map(request.attributes).get("query.page") ?? "1";
  const key = [request.resource, request.id, page].map(encodeURIComponent).join(":");
  return {
    strategy: "read-through", key,
    namespace: "", freshness: none, tags: [request.resource],
    loading: { stampede: "per-process", softTimeoutMs: 0, hardTimeoutMs: 0 },
    placement: "every-tier", encrypt: false, invalidates: [], reason: "a row",
  };
}

export function admit(request, decision) {
  return { store: true, freshness: decision.freshness, tags: decision.tags, reason: "as decided" };
}
