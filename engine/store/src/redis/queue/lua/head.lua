-- The oldest changes, from the stream and from what was put back, by their numbers. Those of parked
-- rows die as they are met. Answers what had arrived, whether to ask again because only dead ones
-- were met so far, and the numbers and changes.
-- KEYS partition; ARGV token, now, most changes, most bytes, most that are looked at, why followers die
if not holds(ARGV[1], ARGV[2]) then return false end
local limit, budget, patience = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local arrived = redis.call('HMGET', META, 'last', 'opened')
local out = {(arrived[1] or '0') .. ' ' .. (arrived[2] or '0'), 0}
local taken, size, looked, looked_size = 0, 0, 0, 0

-- So many of the stream as may still fit, by the size of those before: values can be large.
local buffer, at, after = {}, 1, '-'
local function next_of_stream()
  if at > #buffer then
    local fit = looked == 0 and 1 or math.floor((budget - size) / (looked_size / looked + 1))
    local count = math.max(1, math.min(fit, limit - taken, 128))
    buffer, at = redis.call('XRANGE', STREAM, after, '+', 'COUNT', count), 1
  end
  return buffer[at]
end

local passed = 0
while taken < limit and size < budget do
  local entry = next_of_stream()
  local number = entry and string.match(entry[1], '^%d+')
  local other = redis.call('ZRANGE', BACK, passed, passed)[1]
  if not (number or other) then break end
  if looked == patience then
    out[2] = 1
    break
  end
  local back = other and (not number or tonumber(other) < tonumber(number))
  local change
  if back then
    number, change = other, redis.call('HGET', KEPT, other) or ''
  else
    change, at, after = entry[2][2], at + 1, '(' .. entry[1]
  end
  looked, looked_size = looked + 1, looked_size + #change
  if redis.call('HEXISTS', PARKED, row_of(change)) == 1 then
    bury(number, change, back, ARGV[2], ARGV[6])
  else
    taken, size = taken + 1, size + #change
    if back then passed = passed + 1 end
    table.insert(out, number)
    table.insert(out, change)
  end
end
return out
