CREATE FUNCTION products_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO larder_outbox (kind) VALUES ('origin');
    ELSE
        INSERT INTO larder_outbox (resource, row_id)
            SELECT DISTINCT 'product', id::text COLLATE "C"
            FROM (VALUES (OLD.id), (NEW.id)) AS changed (id) WHERE id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER products_to_outbox AFTER INSERT OR UPDATE OR DELETE ON products
    FOR EACH ROW EXECUTE FUNCTION products_to_outbox();
CREATE TRIGGER products_emptied AFTER TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION products_to_outbox();
