CREATE TRIGGER products_inserted AFTER INSERT ON products WHEN NEW.id IS NOT NULL BEGIN
    INSERT INTO larder_outbox (resource, row_id) VALUES ('product', NEW.id);
END;

CREATE TRIGGER products_updated AFTER UPDATE ON products BEGIN
    INSERT INTO larder_outbox (resource, row_id)
        SELECT 'product', OLD.id COLLATE BINARY WHERE OLD.id IS NOT NULL
        UNION SELECT 'product', NEW.id COLLATE BINARY WHERE NEW.id IS NOT NULL;
END;

CREATE TRIGGER products_deleted AFTER DELETE ON products WHEN OLD.id IS NOT NULL BEGIN
    INSERT INTO larder_outbox (resource, row_id) VALUES ('product', OLD.id);
END;
