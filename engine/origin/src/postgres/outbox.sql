CREATE TABLE larder_outbox (
    xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text        NOT NULL DEFAULT 'row', -- or origin, key, tag, namespace, pattern
    tenant    text        NOT NULL DEFAULT '',
    resource  text        NOT NULL DEFAULT '',    -- of a row, as requests name it
    row_id    text        NOT NULL DEFAULT '',    -- the row's id
    namespace text        NOT NULL DEFAULT '',    -- of a key or a pattern
    target    text        NOT NULL DEFAULT '',    -- a key, tag, namespace or pattern
    mode      text        NOT NULL DEFAULT 'purge',
    PRIMARY KEY (xid, id)
);
