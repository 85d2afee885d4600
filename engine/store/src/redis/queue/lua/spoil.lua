-- Makes a dead letter of a change that waits and cannot be read. Where what it says of its row is not
-- true either, the row that ROWS has for its number comes in front of it, as of any change.
-- KEYS partition; ARGV token, now, number, why
if not holds(ARGV[1], ARGV[2]) then return 0 end
local number = ARGV[3]
local change, back = waiting(number)
if not change then return 1 end
local whole = change
if not redis.call('ZSCORE', ROWS, member(row_of(change), number)) then
  local row, moment = row_at(number), string.sub(number, 1, -4)
  whole = string.rep('0', 20 - #moment) .. moment .. string.format('%08d', #row) .. row .. change
end
bury(number, change, back, ARGV[2], ARGV[4], whole)
-- Whoever looks again would meet it for ever.
if waiting(number) then return redis.error_reply('ERR the stream has number ' .. number .. ' twice') end
return 1
