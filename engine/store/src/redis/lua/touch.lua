-- Notes a read of an entry, if it is still the one that was read. Sent twice it answers alike.
-- KEYS entry; ARGV id, now, milliseconds to keep it
if field(KEYS[1], ID_AT, ID_DIGITS) ~= ARGV[1] then return 0 end
if tonumber(field(KEYS[1], READ_AT, DIGITS)) < tonumber(ARGV[2]) then
  redis.call('SETRANGE', KEYS[1], READ_AT, digits(tonumber(ARGV[2])))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
