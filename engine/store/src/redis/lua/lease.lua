-- Grants the right to fill a key, or names the entry or the holder. Sent twice it answers alike:
-- a lease that the caller's token stands for already is granted again, without another loader.
-- KEYS claims, entry; ARGV now, fresh, token, until, share, seen, skip, bans, ban
local now, fresh, token, till = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local created = field(KEYS[2], CREATED_AT, DIGITS)
local id = string.match(field(KEYS[2], ID_AT, ID_DIGITS), '^%x+$') or ''
if created ~= '' and created ~= ARGV[6] and id ~= ARGV[7] then return {'stored', id} end
local hold = banned(claims(now, fresh), tonumber(ARGV[9]), fresh)
if not hold then
  local own = {token = token, till = till, n = 1}
  keep({kind = 'L', shown = token, bans = tonumber(ARGV[8]), all = {own}}, now)
  return {'granted', token}
end
if claim(hold, token) then return {'granted', token} end
local joined = ARGV[5] == '1' and hold.kind == 'L' and hold.all[1]
if joined then
  joined.n = joined.n + 1
  joined.till = math.max(joined.till, till)
end
keep(hold, now)
if joined then return {'granted', joined.token} end
return {'held', hold.shown}
