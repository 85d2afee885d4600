-- All changes of a row, dead or alive, oldest first, each with its number.
-- KEYS partition; ARGV row
local all = redis.call('ZRANGE', ROWS, '[' .. ARGV[1] .. ' ', '[' .. ARGV[1] .. ' ~', 'BYLEX')
local out = {}
for _, found in ipairs(all) do
  local number = number_in(found)
  table.insert(out, number)
  table.insert(out, waiting(number) or redis.call('HGET', KEPT, number) or '')
end
return out
