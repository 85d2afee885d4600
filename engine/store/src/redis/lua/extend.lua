-- Lets a claim last longer. Sent twice it answers alike.
-- KEYS claims; ARGV now, fresh, token, until, ban
local hold = banned(claims(tonumber(ARGV[1]), ARGV[2]), tonumber(ARGV[5]), ARGV[2])
local one = claim(hold, ARGV[3])
if not one then return 0 end
one.till = math.max(one.till, tonumber(ARGV[4]))
keep(hold, tonumber(ARGV[1]))
return 1
