-- Gives a dependency a new version and answers the one before, empty if there was none, and the
-- new one. Sent twice it makes two steps, and whoever checks the step sees that.
-- KEYS version, expiries; ARGV mode, now in microseconds, milliseconds to keep it
local now = tonumber(ARGV[2])
local before = redis.call('GET', KEYS[1])
local purge, expire = string.match(before or '', '^(%d+):(%d+)$')
local noted = {}
if purge then
  purge, expire = tonumber(purge), tonumber(expire)
  if ARGV[1] == 'purge' then
    purge = math.max(purge + 1, now)
  else
    noted = spans(redis.call('GET', KEYS[2]))
    local last = expire
    expire = math.max(expire + 1, now)
    note(noted, last, expire)
  end
else
  local time = redis.call('TIME')
  purge = math.max(tonumber(time[1]) * 1000000 + tonumber(time[2]), now)
  expire = 0
  if ARGV[1] == 'expire' then
    expire = now
    note(noted, 0, now)
  end
end
local after = string.format('%.0f:%.0f', purge, expire)
if #noted > 0 then
  redis.call('SET', KEYS[2], words(noted), 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[2])
end
redis.call('SET', KEYS[1], after, 'PX', ARGV[3])
return {before or '', after}
