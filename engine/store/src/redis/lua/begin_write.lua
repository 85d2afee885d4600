-- Begins a write: removes the entry and voids what others may fill. Sent twice it changes nothing.
-- KEYS claims, entry; ARGV now, fresh, token, until, bans
local now, fresh, token, till = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
redis.call('UNLINK', KEYS[2])
local hold = claims(now, fresh)
if claim(hold, token) then return 1 end
hold = voided(hold, fresh)
local alone = not hold
hold = hold or {kind = 'W', shown = fresh, bans = 0, all = {}}
hold.bans = math.max(hold.bans, tonumber(ARGV[5]))
table.insert(hold.all, {token = token, till = till, n = alone and 1 or 0})
keep(hold, now)
return 1
