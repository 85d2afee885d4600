ALTER TABLE larder_outbox
    ADD resource text NOT NULL DEFAULT '',
    ADD row_id   text NOT NULL DEFAULT '',
    ALTER kind   SET DEFAULT 'row',
    ALTER target SET DEFAULT '';
