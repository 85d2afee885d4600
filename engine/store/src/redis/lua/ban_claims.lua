-- Voids the claims on a key that do not know of a ban. Sent twice it answers alike.
-- KEYS claims; ARGV ban, fresh
local hold = claims(0, ARGV[2])
if not hold or hold.bans >= tonumber(ARGV[1]) then return 0 end
hold = banned(hold, tonumber(ARGV[1]), ARGV[2])
if hold then keep(hold) end
return 1
