-- Publish what admission is to reckon with. A: me token version plan. Returns {'fenced'} or {'published'}.

if not is_owner() then return {'fenced'} end

redis.call('HSET', K.plans, A.model, A.plan)
redis.call('HSET', K.state, 'plan', A.version)
return {'published'}
