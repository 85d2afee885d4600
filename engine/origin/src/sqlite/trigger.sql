CREATE TRIGGER products_inserted AFTER INSERT ON products BEGIN
    INSERT INTO larder_outbox (kind, target) VALUES ('tag', 'product:' || NEW.id);
END;

CREATE TRIGGER products_updated AFTER UPDATE ON products BEGIN
    INSERT INTO larder_outbox (kind, target)
        SELECT 'tag', 'product:' || OLD.id UNION SELECT 'tag', 'product:' || NEW.id;
END;

CREATE TRIGGER products_deleted AFTER DELETE ON products BEGIN
    INSERT INTO larder_outbox (kind, target) VALUES ('tag', 'product:' || OLD.id);
END;
