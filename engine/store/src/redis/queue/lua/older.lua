-- Of each row, the number of the oldest change that other nodes show; empty where they show none.
-- KEYS rows; ARGV node
local out = {}
for n = 1, #KEYS do
  local oldest = ''
  for _, field in ipairs(redis.call('HKEYS', KEYS[n])) do
    if field ~= ARGV[1] and string.sub(field, 1, #ARGV[1] + 1) ~= ARGV[1] .. '/' then
      local number = string.match(field, '/(%d+)$')
        or string.sub(redis.call('HGET', KEYS[n], field) or '', 1, 20)
      if oldest == '' or number < oldest then oldest = number end
    end
  end
  out[n] = oldest
end
return out
