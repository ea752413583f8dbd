-- Forget a model that no server serves any more and nobody waits for; its quarantine stays. A: me token.
-- Returns {'fenced'}, {'busy'} or {'retired'}.

if not is_owner() then return {'fenced'} end
if redis.call('XLEN', K.requests) > 0 then return {'busy'} end

redis.call('HDEL', K.plans, A.model)
redis.call('DEL', K.requests, K.state, K.flows_interactive, K.flows_batch)
return {'retired'}
