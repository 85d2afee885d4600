-- The version of a dependency; one that is missing begins at the server's time in microseconds, so
-- it differs from all that were handed out before it was lost.
-- KEYS version, expiries; ARGV milliseconds to keep it
local text = redis.call('GET', KEYS[1])
if text then return text end
local time = redis.call('TIME')
text = string.format('%.0f:0', tonumber(time[1]) * 1000000 + tonumber(time[2]))
redis.call('SET', KEYS[1], text, 'PX', ARGV[1])
redis.call('DEL', KEYS[2])
return text
