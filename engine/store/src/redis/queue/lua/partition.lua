-- One partition of a queue. A change is a text: when it was taken (20 digits), how long the name of
-- its row is (8 digits), that name, and the rest, which scripts do not read. It waits in the stream,
-- under its number, and leaves it when it is flushed or dies. What is dead or was put back is in
-- KEPT by its number, and its number in DEAD or BACK. ROWS has a member `row number` for every
-- change, PARKED the number of dead letters of each row that has any. Numbers are digits all along:
-- Lua's are exact up to 2^53 only.
local META, STREAM, KEPT, BACK, DEAD, WHY, ROWS, PARKED, CLAIM = unpack(KEYS)

-- The name of a change's row; of what is no change, one that no row has.
local function row_of(change)
  local length = tonumber(string.sub(change, 21, 28)) or 0
  return string.sub(change, 29, 28 + length)
end

-- The member of ROWS for a change.
local function member(row, number)
  return row .. ' ' .. string.rep('0', 16 - #number) .. number
end

-- The number in a member of ROWS.
local function number_in(member)
  return string.match(member, '^0*(%d+)$', #member - 15)
end

-- The change that waits under this number, and whether it was put back.
local function waiting(number)
  if redis.call('ZSCORE', BACK, number) then
    return redis.call('HGET', KEPT, number) or '', true
  end
  local found = redis.call('XRANGE', STREAM, number, number)[1]
  if found then return found[2][2], false end
end

-- Takes a change away from those that wait.
local function take(number, change, back)
  if back then
    redis.call('ZREM', BACK, number)
    redis.call('HDEL', KEPT, number)
  else
    redis.call('XDEL', STREAM, number .. '-0')
  end
  redis.call('HINCRBY', META, 'bytes', -#change)
end

-- The row of a number, found by looking through all; of one that no row has, the name of none.
local function row_at(number)
  local ending, cursor = member('', number), '0'
  repeat
    local found = redis.call('ZSCAN', ROWS, cursor, 'MATCH', '*' .. ending, 'COUNT', 1000)
    if found[2][1] then return string.sub(found[2][1], 1, -1 - #ending) end
    cursor = found[1]
  until cursor == '0'
  return ''
end

-- Makes a dead letter of a change that waits, and parks its row. It is kept as `kept`, if given.
local function bury(number, change, back, died, why, kept)
  kept = kept or change
  take(number, change, back)
  redis.call('HSET', KEPT, number, kept)
  redis.call('ZADD', DEAD, number, number)
  redis.call('HSET', WHY, number, died .. ' ' .. why)
  redis.call('HINCRBY', PARKED, row_of(kept), 1)
  redis.call('HINCRBY', META, 'dead_bytes', #kept)
end

-- Takes a dead letter away from the others; answers it.
local function unbury(number)
  local change = redis.call('HGET', KEPT, number) or ''
  redis.call('ZREM', DEAD, number)
  redis.call('HDEL', WHY, number)
  redis.call('HINCRBY', META, 'dead_bytes', -#change)
  return change
end

-- Who has the claim, and until when.
local function claim()
  return string.match(redis.call('GET', CLAIM) or '', '^(%d+) (%d+)$')
end

-- Whether `token` has the claim; without `now`, whether nobody else has taken it over.
local function holds(token, now)
  local owner, till = claim()
  return owner == token and (not now or tonumber(now) < tonumber(till))
end

-- What there is, dead or alive: how many changes, and their size.
local function used()
  local count = redis.call('XLEN', STREAM) + redis.call('ZCARD', BACK) + redis.call('ZCARD', DEAD)
  local bytes = redis.call('HMGET', META, 'bytes', 'dead_bytes')
  return {count, (tonumber(bytes[1]) or 0) + (tonumber(bytes[2]) or 0)}
end
