-- Removes or expires an entry, voids the leases on its key, and answers all of the entry but its
-- payload, as it was. Sent twice the second may find nothing left.
-- KEYS claims, entry; ARGV now, fresh, mode
local now = tonumber(ARGV[1])
local hold = voided(claims(now, ARGV[2]), ARGV[2])
if hold then keep(hold, now) end
local length = tonumber(field(KEYS[2], HEAD_AT, HEAD_DIGITS))
local head = length and field(KEYS[2], 0, length)
if ARGV[3] == 'purge' then
  redis.call('UNLINK', KEYS[2])
elseif head and now < (tonumber(field(KEYS[2], EXPIRED_AT, DIGITS)) or 0) then
  redis.call('SETRANGE', KEYS[2], EXPIRED_AT, digits(now))
end
return head or ''
