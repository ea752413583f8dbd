-- Take a batch of usage records to be sent: one that nobody sees through any more, else a new one of what waits.
-- A: me batch_id (for a new one; begins with its dispatcher and a dot) most retry_ms.
-- A batch is its dispatcher's for retry_ms, or until that is dead; it stays until usage_sent. Returns {} or {batch_id, record, ...}.

local function is_due(id, retry_at)
  local sender = string.match(id, '^(.-)%.')
  if sender == A.me or retry_at <= NOW then return true end
  return tonumber(redis.call('ZSCORE', K.dispatchers, sender) or 0) < NOW
end

local function unfinished()
  local sealed = redis.call('ZRANGE', K.usage_batches, 0, -1, 'WITHSCORES')
  for i = 1, #sealed, 2 do
    if is_due(sealed[i], tonumber(sealed[i + 1])) then return sealed[i] end
  end
end

local batch = unfinished()
if not batch then
  local records = redis.call('LPOP', K.usage_open, A.most)
  if not records then return {} end
  batch = A.batch_id
  redis.call('RPUSH', K.usage_sealed .. batch, unpack(records))
end
redis.call('ZADD', K.usage_batches, NOW + A.retry_ms, batch)
local reply = redis.call('LRANGE', K.usage_sealed .. batch, 0, -1)
table.insert(reply, 1, batch)
return reply
