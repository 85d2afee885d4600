-- The node has no change of a row any more.
-- KEYS the row, the rows of the node; ARGV node, name of the row
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('SREM', KEYS[2], ARGV[2])
