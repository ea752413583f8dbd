-- Become, or stay, the one dispatcher that feeds a model, and take over what the one before had claimed.
-- A: me token running (the ids that this dispatcher has at its servers now).
-- Gives a new token always, so that a claim of the old one that is still on its way cannot take effect unseen.
-- Returns {'held'} while another lives and has it, or {'owned', items taken over}.

local owner = redis.call('HGET', K.state, 'owner')
if owner and owner ~= '' and owner ~= A.me then
  local until_ms = tonumber(redis.call('ZSCORE', K.dispatchers, owner) or 0)
  if until_ms > NOW then return {'held'} end
end
if redis.call('EXISTS', K.requests) == 0 then
  redis.call('XGROUP', 'CREATE', K.requests, GROUP, '0', 'MKSTREAM')
end
local back = put_back_all(A.running)
if owner and owner ~= '' and owner ~= A.me then
  -- What runs here may have been claimed by the one before, too: it must not go with its list.
  if #A.running > 0 then
    local ids = {unpack(A.running)}
    ids[#ids + 1] = 'JUSTID'
    redis.call('XCLAIM', K.requests, GROUP, A.me, 0, unpack(ids))
  end
  redis.call('XGROUP', 'DELCONSUMER', K.requests, GROUP, owner)
end
redis.call('HSET', K.state, 'owner', A.me, 'token', A.token)
redis.call('HDEL', K.state, 'hungry')
return {'owned', back}
