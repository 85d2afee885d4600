-- The newest change of a row, dead or alive, with its number.
-- KEYS partition; ARGV row
local newest = redis.call('ZRANGE', ROWS, '[' .. ARGV[1] .. ' ~', '[' .. ARGV[1] .. ' ',
  'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
if not newest then return false end
local number = number_in(newest)
return {number, waiting(number) or redis.call('HGET', KEPT, number) or ''}
