-- Takes a ban off the list once nothing from before it can be there any more. The list's number
-- changes, so that everybody reads it anew. Sent twice it answers alike.
-- KEYS bans, the ban's lock; ARGV id
redis.call('DEL', KEYS[2])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
local last = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', last + 1))
return 1
