-- Stop feeding a model, so that another may begin at once. A: me token.
-- What is still claimed goes back to the front. Returns {'fenced'} or {'released', items put back}.

if not is_owner() then return {'fenced'} end

local back = put_back_all({})
redis.call('XGROUP', 'DELCONSUMER', K.requests, GROUP, A.me)
redis.call('HSET', K.state, 'owner', '', 'token', '')
redis.call('PUBLISH', K.released, A.model)
return {'released', back}
