CREATE FUNCTION products_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO larder_outbox (kind, target)
        SELECT DISTINCT 'tag', 'product:' || id
        FROM (VALUES (OLD.id), (NEW.id)) AS changed (id) WHERE id IS NOT NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER products_to_outbox AFTER INSERT OR UPDATE OR DELETE ON products
    FOR EACH ROW EXECUTE FUNCTION products_to_outbox();
