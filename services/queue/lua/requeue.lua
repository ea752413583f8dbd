-- Give claimed items back to be tried again. A: me token items, each {id, delay_ms, history}.
-- An item with a history failed with its server: it is a suspect now, and waits delay_ms. One without goes to the front.
-- Returns {'fenced'} or {'requeued', number of items}.

if not is_owner() then return {'fenced'} end

local back = 0
for _, item in ipairs(A.items) do
  if redis.call('XACK', K.requests, GROUP, item.id) == 1 then
    back = back + 1
    if item.history ~= '' then
      redis.call('HSET', K.history, item.id, item.history)
      redis.call('ZADD', K.retries, NOW + item.delay_ms, item.id)
    else
      redis.call('ZADD', K.order_first, accepted_at(item.id), item.id)
    end
  end
end
return {'requeued', back}
