-- Remove items from a model's quarantine. A: ids (none: all). Returns how many there were.

if #A.ids > 0 then return redis.call('XDEL', K.quarantine, unpack(A.ids)) end
local length = redis.call('XLEN', K.quarantine)
redis.call('DEL', K.quarantine)
return length
