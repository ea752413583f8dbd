-- What is kept of an asynchronous request, and where what is left of it waits. Known to show_job.lua and cancel_job.lua.
-- A: job client model.

local JOB = K.job .. A.job

-- The items of the job that are not answered.
local function open_items()
  local fields, ids = redis.call('HGETALL', JOB), {}
  for i = 1, #fields, 2 do
    if string.match(fields[i], '^item:') then ids[#ids + 1] = fields[i + 1] end
  end
  return ids
end

local function claimed() return redis.call('XLEN', K.requests) - depth() end

-- How many go before an item that waits; nil where it is at a server.
local function ahead_of_item(id)
  local before = redis.call('ZRANK', K.order_first, id) or redis.call('ZRANK', K.retries, id)
  if before then return claimed() + before end
  for _, class in ipairs({'interactive', 'batch'}) do
    before = redis.call('ZRANK', K['order_' .. class], id)
    if before then return ahead_of(before, class) end
  end
end

-- Whether there is such a job of this client; what is late of it is answered so, though no dispatcher may live.
local function is_there()
  if redis.call('HGET', JOB, 'client') ~= A.client then return false end
  for _, id in ipairs(open_items()) do
    if tonumber(redis.call('ZSCORE', K.deadlines, id) or NOW) < NOW then answer_late(id) end
  end
  return true
end

-- Returns {now, ms that it is kept, items that wait, place of the first of them, how many go before the last, plan,
-- field, value, ...}.
local function view()
  local waiting, first, last = 0, math.huge, 0
  for _, id in ipairs(open_items()) do
    local ahead = ahead_of_item(id)
    if ahead then
      waiting, first, last = waiting + 1, math.min(first, ahead), math.max(last, ahead)
    end
  end
  local place = waiting > 0 and first - claimed() + 1 or 0
  local plan = redis.call('HGET', K.plans, A.model) or ''
  return {NOW, redis.call('PTTL', JOB), waiting, place, last, plan, unpack(redis.call('HGETALL', JOB))}
end
