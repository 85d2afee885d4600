-- Lets a claim last longer.
-- KEYS partition; ARGV token, now, until, milliseconds to keep it
if not holds(ARGV[1], ARGV[2]) then return 0 end
redis.call('SET', CLAIM, ARGV[1] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1
