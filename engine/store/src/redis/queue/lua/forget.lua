-- Removes dead letters for good. Answers what there still is, and the numbers of those removed.
-- KEYS partition; ARGV numbers
local gone = {}
for n = 1, #ARGV do
  if redis.call('ZSCORE', DEAD, ARGV[n]) then
    local row = row_of(unbury(ARGV[n]))
    redis.call('HDEL', KEPT, ARGV[n])
    redis.call('ZREM', ROWS, member(row, ARGV[n]))
    if redis.call('HINCRBY', PARKED, row, -1) <= 0 then
      redis.call('HDEL', PARKED, row)
      redis.call('HINCRBY', META, 'opened', 1)
    end
    table.insert(gone, ARGV[n])
  end
end
return {used(), gone}
