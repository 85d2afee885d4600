-- The expiries of a dependency since its last purge, by the constants that come before this text:
-- the first and the last of those that count as one, as numbers with a dash between.
local function spans(text)
  local all, known = {}, 0
  for one in string.gmatch(text or '', '%S+') do
    local first, last = string.match(one, '^(%d+)%-(%d+)$')
    first = tonumber(first or string.match(one, '^%d+$'))
    last = tonumber(last) or first
    if not first or first > last or first < known or last <= known then return {} end
    table.insert(all, {first = first, last = last})
    known = last
  end
  return all
end

-- Makes one of the two neighbours that are closest for their age.
local function join(all, now)
  local at, closest = 1, math.huge
  for n = 1, #all - 1 do
    local closeness = (all[n + 1].first - all[n].last) / (now - all[n].last + SECOND)
    if closeness < closest then at, closest = n, closeness end
  end
  all[at].last = all[at + 1].last
  table.remove(all, at + 1)
end

-- Notes that the number of the last expiry became `now`, where it was `before`.
local function note(all, before, now)
  local known = #all > 0 and all[#all].last or 0
  if known < before then table.insert(all, {first = known, last = before}) end
  table.insert(all, {first = now, last = now})
  while #all > MOST do join(all, now) end
end

local function words(all)
  local list = {}
  for _, one in ipairs(all) do
    local text = string.format('%.0f', one.first)
    if one.last > one.first then text = string.format('%s-%.0f', text, one.last) end
    table.insert(list, text)
  end
  return table.concat(list, ' ')
end
