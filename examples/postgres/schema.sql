-- Read-through: larder only reads and writes what is there.
CREATE TABLE products (
    id    bigint PRIMARY KEY,
    name  text    NOT NULL,
    price numeric NOT NULL CHECK (price > 0)
);

-- Write-through: every write gets a version.
CREATE TABLE settings (
    id      text   PRIMARY KEY,
    value   jsonb  NOT NULL,
    version bigint NOT NULL DEFAULT 0
);

-- Write-behind: a queued write is taken once, in its order, and a delete leaves a mark.
CREATE TABLE carts (
    id       text    PRIMARY KEY,
    items    jsonb   NOT NULL DEFAULT '[]',
    sequence bigint  NOT NULL DEFAULT 0,
    deleted  boolean NOT NULL DEFAULT false
);

INSERT INTO products VALUES (1, 'Amber mug', 9.5), (2, 'Oak lamp', 49), (3, 'Slate tent', 180);
INSERT INTO settings VALUES ('theme', '{"dark": true}');
