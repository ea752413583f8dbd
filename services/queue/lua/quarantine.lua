-- The quarantine of a model: items that ended their servers, with their bytes, as many as there is room for.

-- Remove an entry; returns whether it was there.
local function leave_quarantine(id)
  local entry = redis.call('XRANGE', K.quarantine, id, id)[1]
  if not entry then return false end
  redis.call('XDEL', K.quarantine, id)
  redis.call('DECRBY', K.quarantine_bytes, #entry[2][4])
  return true
end

-- Put an item in; the oldest go where there are too many, or too many bytes.
local function enter_quarantine(meta, payload, history, most_items, most_bytes)
  redis.call('XADD', K.quarantine, '*', 'meta', meta, 'payload', payload, 'history', history)
  redis.call('INCRBY', K.quarantine_bytes, #payload)
  local length = redis.call('XLEN', K.quarantine)
  while length > most_items or (length > 1 and tonumber(redis.call('GET', K.quarantine_bytes)) > most_bytes) do
    leave_quarantine(redis.call('XRANGE', K.quarantine, '-', '+', 'COUNT', 1)[1][1])
    length = length - 1
  end
end
