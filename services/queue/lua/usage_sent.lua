-- Forget a batch of usage records that the registry has. A: batch_id.

redis.call('DEL', K.usage_sealed .. A.batch_id)
return redis.call('ZREM', K.usage_batches, A.batch_id)
