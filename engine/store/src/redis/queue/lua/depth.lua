-- How full the partition is: changes that wait, their size, the moment of the oldest, dead letters,
-- parked rows; then what `used` answers.
-- KEYS partition
local first = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
local number = first and string.match(first[1], '^%d+')
local change = first and first[2][2]
local other = redis.call('ZRANGE', BACK, 0, 0)[1]
if other and (not number or tonumber(other) < tonumber(number)) then
  change = redis.call('HGET', KEPT, other)
end
return {
  redis.call('XLEN', STREAM) + redis.call('ZCARD', BACK),
  tonumber(redis.call('HGET', META, 'bytes') or '0'),
  string.sub(change or '', 1, 20),
  redis.call('ZCARD', DEAD),
  redis.call('HLEN', PARKED),
  used(),
}
