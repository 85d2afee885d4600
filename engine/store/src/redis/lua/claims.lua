-- The claims on one key, kept in KEYS[1] as text: the kind (L lease, W writes), the token that
-- those who are refused are shown, the last ban known, and of each claim its token, its end and a
-- number: the loaders of a lease, or 1 for a write that may fill.
local SLACK = 60000

-- The claims that have not run out; `fresh` replaces what is shown where one of several did.
local function claims(now, fresh)
  local text = redis.call('GET', KEYS[1])
  local kind, shown, bans, list = string.match(text or '', '^(%a) (%x+) (%d+) (.*)$')
  if not kind then return nil end
  local hold = {kind = kind, shown = shown, bans = tonumber(bans), all = {}}
  for token, till, n in string.gmatch(list, '(%x+),(%d+),(%d+);') do
    if now < tonumber(till) then
      table.insert(hold.all, {token = token, till = tonumber(till), n = tonumber(n)})
    else
      hold.shown = fresh
    end
  end
  return #hold.all > 0 and hold or nil
end

-- Writes the claims back. Their own expiry only collects garbage: whether a claim has run out is
-- judged by its end. Without `now` it stays as it was.
local function keep(hold, now)
  local list, last = {}, 0
  for _, one in ipairs(hold.all) do
    table.insert(list, string.format('%s,%.0f,%d;', one.token, one.till, one.n))
    last = math.max(last, one.till)
  end
  local text = string.format('%s %s %.0f %s', hold.kind, hold.shown, hold.bans, table.concat(list))
  if now then
    local left = math.min(math.max(last - now, 0) + SLACK, 2 ^ 52)
    redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', left))
  else
    redis.call('SET', KEYS[1], text, 'KEEPTTL')
  end
end

-- The claim of `token`, and its place.
local function claim(hold, token)
  for place, one in ipairs(hold and hold.all or {}) do
    if one.token == token then return one, place end
  end
end

-- Something happened to the key: a lease is over, writes go on but can no longer fill.
local function voided(hold, fresh)
  if not hold or hold.kind == 'L' then
    redis.call('DEL', KEYS[1])
    return nil
  end
  hold.shown = fresh
  for _, one in ipairs(hold.all) do one.n = 0 end
  return hold
end

-- What is left of the claims after a ban with number `ban` that matches the key, 0 for none.
local function banned(hold, ban, fresh)
  if not hold or hold.bans >= ban then return hold end
  hold = voided(hold, fresh)
  if hold then hold.bans = ban end
  return hold
end

-- Ends the claim of `token`, or one share of it if `share`.
local function stop(hold, token, fresh, share)
  local one, place = claim(hold, token)
  if not one then return end
  if share and hold.kind == 'L' and one.n > 1 then
    one.n = one.n - 1
  else
    table.remove(hold.all, place)
    if hold.kind == 'W' then hold.shown = fresh end
  end
  if #hold.all == 0 then redis.call('DEL', KEYS[1]) else keep(hold) end
end
