-- Stores an entry if its token may fill the key, and ends the token's claim. Sent twice the second
-- answers that it was voided, though the first stored it: that costs a load at most.
-- KEYS claims, entry; ARGV now, fresh, token, ban, envelope, milliseconds to keep it (0: never)
local now, fresh, token = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local hold = claims(now, fresh)
local one = claim(hold, token)
local may = one and one.n > 0 and hold.bans >= tonumber(ARGV[4])
if may and ARGV[6] ~= '0' then
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
  redis.call('SETRANGE', KEYS[2], BANS_AT, digits(hold.bans))
end
stop(hold, token, fresh, false)
return {may and 1 or 0, hold and string.format('%.0f', hold.bans) or '0'}
