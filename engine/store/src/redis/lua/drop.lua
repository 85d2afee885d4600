-- Removes an entry, if it is still the one that a fill stored. Sent twice it answers alike.
-- KEYS entry; ARGV id
if field(KEYS[1], ID_AT, ID_DIGITS) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
