-- How many items go before one of a class that has so many of its class before it: those at work, those put back, and
-- those that wait. Each class waits for the other by the shares that claim.lua gives them. Known to enqueue.lua and job.lua.

local function ahead_of(before, class)
  local interactive = redis.call('ZCARD', K.order_interactive)
  local batch = redis.call('ZCARD', K.order_batch)
  local at_work = redis.call('XLEN', K.requests) - interactive - batch
  if class == 'batch' then return at_work + before + math.min(interactive, (before + 1) * 9) end
  return at_work + before + math.min(batch, math.ceil(before / 9))
end
