-- Shows the newest change of a row, in the place of what the node showed before.
-- KEYS the row, the rows of the node; ARGV node, name of the row, change
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return redis.call('SADD', KEYS[2], ARGV[2])
