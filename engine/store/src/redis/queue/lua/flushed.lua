-- Removes changes that wait. Those that do not are passed over.
-- KEYS partition; ARGV token, numbers
if not holds(ARGV[1]) then return false end
for n = 2, #ARGV do
  local change, back = waiting(ARGV[n])
  if change then
    take(ARGV[n], change, back)
    redis.call('ZREM', ROWS, member(row_of(change), ARGV[n]))
  end
end
return used()
