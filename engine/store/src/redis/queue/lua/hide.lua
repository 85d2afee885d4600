-- The node has no change of a row any more.
-- KEYS the row, the rows of the node; ARGV node, name of the row
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field == ARGV[1] or string.sub(field, 1, #ARGV[1] + 1) == ARGV[1] .. '/' then
    redis.call('HDEL', KEYS[1], field)
  end
end
return redis.call('SREM', KEYS[2], ARGV[2])
