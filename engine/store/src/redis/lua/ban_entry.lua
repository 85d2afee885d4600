-- Removes or expires an entry whose load began before a ban, if it is still the one that was
-- looked at. Sent twice the second finds nothing left to do.
-- KEYS entry; ARGV id, mode, the ban's moment
if field(KEYS[1], ID_AT, ID_DIGITS) ~= ARGV[1] then return 0 end
if ARGV[2] == 'purge' then return redis.call('UNLINK', KEYS[1]) end
if tonumber(ARGV[3]) >= tonumber(field(KEYS[1], EXPIRED_AT, DIGITS)) then return 0 end
redis.call('SETRANGE', KEYS[1], EXPIRED_AT, digits(tonumber(ARGV[3])))
return 1
