-- Say that a dispatcher lives for ttl_ms more, and learn who else does. A: me ttl_ms (0: it leaves).
-- Returns {1 if its last beat had run out, {dispatcher, ms that it has left, ...}, {models with a plan}, {what time it
-- is: seconds, microseconds}}.

local own = tonumber(redis.call('ZSCORE', K.dispatchers, A.me) or 0)
redis.call('ZREMRANGEBYSCORE', K.dispatchers, '-inf', NOW - 60000)
if A.ttl_ms > 0 then
  redis.call('ZADD', K.dispatchers, NOW + A.ttl_ms, A.me)
else
  redis.call('ZREM', K.dispatchers, A.me)
  redis.call('PUBLISH', K.released, '')
end
local alive = {}
local found = redis.call('ZRANGEBYSCORE', K.dispatchers, '(' .. NOW, '+inf', 'WITHSCORES')
for i = 1, #found, 2 do
  alive[#alive + 1] = found[i]
  alive[#alive + 1] = found[i + 1] - NOW
end
return {own < NOW and 1 or 0, alive, redis.call('HKEYS', K.plans), redis.call('TIME')}
