-- Makes a dead letter of a change that waits; of others, nothing.
-- KEYS partition; ARGV token, now, number, why
if not holds(ARGV[1], ARGV[2]) then return 0 end
local change, back = waiting(ARGV[3])
if change then bury(ARGV[3], change, back, ARGV[2], ARGV[4]) end
return 1
