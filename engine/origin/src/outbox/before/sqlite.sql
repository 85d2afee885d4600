CREATE TABLE larder_outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL,              -- key, tag, namespace or pattern
    tenant    TEXT NOT NULL DEFAULT '',
    namespace TEXT NOT NULL DEFAULT '',   -- of a key or a pattern
    target    TEXT NOT NULL,
    mode      TEXT NOT NULL DEFAULT 'purge'
);
