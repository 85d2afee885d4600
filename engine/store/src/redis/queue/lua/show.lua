-- Shows changes of a row beside what the node shows of it, the newest under its own name and each
-- older one under that and its number, and takes others back.
-- KEYS the row, the rows of the node; ARGV node, name of the row, whether all goes first, how many
-- numbers go, those numbers, changes from old to new
if ARGV[3] == '1' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if field == ARGV[1] or string.sub(field, 1, #ARGV[1] + 1) == ARGV[1] .. '/' then
      redis.call('HDEL', KEYS[1], field)
    end
  end
end
local changes = 5 + tonumber(ARGV[4])
for n = 5, changes - 1 do
  redis.call('HDEL', KEYS[1], ARGV[1] .. '/' .. ARGV[n])
end
for n = changes, #ARGV do
  local older = redis.call('HGET', KEYS[1], ARGV[1])
  if older and string.sub(older, 1, 20) ~= string.sub(ARGV[n], 1, 20) then
    redis.call('HSET', KEYS[1], ARGV[1] .. '/' .. string.sub(older, 1, 20), older)
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[n])
end
return redis.call('SADD', KEYS[2], ARGV[2])
