-- Remove items from a model's quarantine. A: ids (none: all). Returns how many there were.

if #A.ids == 0 then
  local length = redis.call('XLEN', K.quarantine)
  redis.call('DEL', K.quarantine, K.quarantine_bytes)
  return length
end
local dropped = 0
for _, id in ipairs(A.ids) do
  if leave_quarantine(id) then dropped = dropped + 1 end
end
return dropped
