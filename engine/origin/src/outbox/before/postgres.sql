CREATE TABLE larder_outbox (
    xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text        NOT NULL,              -- key, tag, namespace or pattern
    tenant    text        NOT NULL DEFAULT '',
    namespace text        NOT NULL DEFAULT '',   -- of a key or a pattern
    target    text        NOT NULL,
    mode      text        NOT NULL DEFAULT 'purge',
    PRIMARY KEY (xid, id)
);
