-- Grants the right to flush the partition, if nobody has it. Its own expiry only collects garbage.
-- KEYS partition; ARGV token, now, until, milliseconds to keep it
local owner, till = claim()
if owner and owner ~= ARGV[1] and tonumber(ARGV[2]) < tonumber(till) then return 0 end
redis.call('SET', CLAIM, ARGV[1] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1
