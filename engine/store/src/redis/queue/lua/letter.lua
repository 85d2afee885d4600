-- A dead letter, with when and why it died.
-- KEYS partition; ARGV number
if not redis.call('ZSCORE', DEAD, ARGV[1]) then return false end
return {redis.call('HGET', KEPT, ARGV[1]) or '', redis.call('HGET', WHY, ARGV[1]) or ''}
