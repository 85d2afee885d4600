-- Puts dead letters back to those that wait, each with all of its row. Answers how many.
-- KEYS partition; ARGV numbers
local count = 0
for n = 1, #ARGV do
  if redis.call('ZSCORE', DEAD, ARGV[n]) then
    local row = row_of(redis.call('HGET', KEPT, ARGV[n]) or '')
    local all = redis.call('ZRANGE', ROWS, '[' .. row .. ' ', '[' .. row .. ' ~', 'BYLEX')
    for _, found in ipairs(all) do
      local number = number_in(found)
      if redis.call('ZSCORE', DEAD, number) then
        redis.call('HINCRBY', META, 'bytes', #unbury(number))
        redis.call('ZADD', BACK, number, number)
        count = count + 1
      end
    end
    redis.call('HDEL', PARKED, row)
    redis.call('HINCRBY', META, 'opened', 1)
  end
end
return count
