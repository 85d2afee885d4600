-- The fixed part of the entry in `key`, by offsets that come before this text.
local function digits(number) return string.format('%020.0f', number) end
local function field(key, at, width) return redis.call('GETRANGE', key, at, at + width - 1) end
