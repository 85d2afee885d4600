-- Takes a change, unless its operation was taken before. Numbers are no less than the server's time
-- in microseconds: were the last one lost, later changes would still not have smaller ones, which an
-- origin that compares them would pass over in silence.
-- KEYS partition, operation; ARGV change, whether there is no room, milliseconds to know the operation
local known = redis.call('GET', KEYS[10])
if known then return {known, 1, used()} end
if ARGV[2] == '1' then return {'full', 0, used()} end
local time = redis.call('TIME')
local last = tonumber(redis.call('HGET', META, 'last') or '0')
local number = math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
number = string.format('%.0f', number)
-- First, as it may be refused for want of memory, and then nothing may have been done.
redis.call('XADD', STREAM, number .. '-0', 'change', ARGV[1])
redis.call('ZADD', ROWS, 0, member(row_of(ARGV[1]), number))
redis.call('HSET', META, 'last', number)
redis.call('HINCRBY', META, 'bytes', #ARGV[1])
redis.call('SET', KEYS[10], number, 'PX', ARGV[3])
return {number, 0, used()}
