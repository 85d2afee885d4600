-- Ends a claim.
-- KEYS partition; ARGV token
if not holds(ARGV[1]) then return 0 end
return redis.call('DEL', CLAIM)
