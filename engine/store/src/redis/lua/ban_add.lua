-- Puts a ban in place under the next number, which no ban had before, not even one that was lost:
-- numbers are no less than the server's time in microseconds. Sent twice it answers alike.
-- KEYS bans, the ban's lock; ARGV id, ban, most live bans, milliseconds of the lock
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return string.match(known, '^%d+') end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then return '' end
local time = redis.call('TIME')
local last = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
local number = math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
number = string.format('%.0f', number)
redis.call('HSET', KEYS[1], 'seq', number, ARGV[1], number .. ' ' .. ARGV[2])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
return number
