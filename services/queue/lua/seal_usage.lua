-- Take a batch of usage records to be sent: one that nobody has seen through yet, else a new one of what waits.
-- A: batch_id (for a new one) most retry_ms. A batch is nobody else's for retry_ms, and stays until usage_sent.
-- Returns {} or {batch_id, record, ...}.

local batch = redis.call('ZRANGEBYSCORE', K.usage_batches, '-inf', NOW, 'LIMIT', 0, 1)[1]
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
