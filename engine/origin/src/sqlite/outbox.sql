CREATE TABLE larder_outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL DEFAULT 'row', -- or origin, key, tag, namespace, pattern
    tenant    TEXT NOT NULL DEFAULT '',
    resource  TEXT NOT NULL DEFAULT '',    -- of a row, as requests name it
    row_id    TEXT NOT NULL DEFAULT '',    -- the row's id
    namespace TEXT NOT NULL DEFAULT '',    -- of a key or a pattern
    target    TEXT NOT NULL DEFAULT '',    -- a key, tag, namespace or pattern
    mode      TEXT NOT NULL DEFAULT 'purge'
);
