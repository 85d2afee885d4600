CREATE FUNCTION larder_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('larder_outbox', '');
    RETURN NULL;
END $$;

CREATE TRIGGER larder_outbox_notify AFTER INSERT ON larder_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION larder_outbox_notify();
