-- Take the items of the next batch, in their order, as far as the tightest deadline among them allows.
-- A: me token most least_ms limits_ms suspect memory
--   limits_ms[k]: the least time that every item of a batch of k must have left; least_ms: less is hopeless.
--   suspect: take one item that a server failed with before, alone, and nothing else.
--   memory: the shared memory that the server can read ('': none); a payload that is there stays here.
-- Returns {'fenced'} or {'batch', late, suspects, next_suspect_ms, drained, {id, meta, payload, spot, left_ms, wait_ms, history}, ...}.

if not is_owner() then return {'fenced'} end

local BATCH_SHARE = 0.1  -- of the items, while both classes wait
local picked, left, late, tightest = {}, {}, 0, math.huge
local virtual, drained = {}, false

local function pick(id, time_left)
  picked[#picked + 1], left[id] = id, time_left
  tightest = math.min(tightest, time_left)
end

-- What cannot be in time: late already, or with less left than the fastest service lately seen. Also what would
-- most likely be late even alone, as long as another waits behind it; the last one is tried, so that times which have
-- become better are noticed. (batching.py has the same as a function.)
local function is_hopeless(key, time_left)
  return time_left <= 0 or time_left < A.least_ms
    or (time_left < A.limits_ms[1] and redis.call('ZCARD', key) > 1)
end

-- Take up to *most* items from the front of an order; stops at the first that makes the batch too long. Returns how many.
local function take(order, most)
  local key, taken = K['order_' .. order], 0
  while taken < most do
    local heads = redis.call('ZRANGE', key, 0, most - taken - 1, 'WITHSCORES')
    if #heads == 0 then return taken end
    for i = 1, #heads, 2 do
      local id = heads[i]
      local deadline = tonumber(redis.call('ZSCORE', K.deadlines, id) or 0)
      local time_left = deadline - NOW
      if is_hopeless(key, time_left) then
        redis.call('ZREM', key, id)
        if answer_late(id) then late = late + 1 end
      else
        if #picked > 0 and math.min(tightest, time_left) < A.limits_ms[#picked + 1] then return taken end
        redis.call('ZREM', key, id)
        pick(id, time_left)
        virtual[order] = tonumber(heads[i + 1])
        taken = taken + 1
      end
    end
  end
  return taken
end

-- The meta of an item, and its payload or where that is.
local function content(id)
  local near = A.memory ~= '' and redis.call('HGET', K.spots, id)
  local memory, meta = string.match(near or '', '^(%S+)[^\n]*\n(.*)$')
  if memory == A.memory then return meta, '', string.match(near, '^[^\n]*') end
  local fields = redis.call('XRANGE', K.requests, id, id)[1][2]
  return fields[2], fields[4], ''
end

-- The batch class earns a tenth of an item with each that goes past it, and spends it before the others.
local function batch_share(most)
  if redis.call('ZCARD', K.order_batch) == 0 then
    redis.call('HDEL', K.state, 'credit')
    return 0
  end
  if redis.call('ZCARD', K.order_interactive) == 0 then return most end
  local credit = tonumber(redis.call('HGET', K.state, 'credit') or 0) + most * BATCH_SHARE
  local share = math.min(most, math.floor(credit))
  redis.call('HSET', K.state, 'credit', credit - share)
  return share
end

local function advance(order)
  if virtual[order] then
    local v = math.max(virtual[order], tonumber(redis.call('HGET', K.state, 'v:' .. order) or 0))
    redis.call('HSET', K.state, 'v:' .. order, string.format('%.17g', v))
    redis.call('ZREMRANGEBYSCORE', K['flows_' .. order], '-inf', v)
    if redis.call('ZCARD', K['order_' .. order]) == 0 then
      -- Nobody waits: the next to come starts level with everyone.
      redis.call('DEL', K['flows_' .. order])
    end
  end
end

if A.suspect then
  local due = redis.call('ZRANGEBYSCORE', K.retries, '-inf', NOW, 'LIMIT', 0, 1)[1]
  if due then
    local deadline = tonumber(redis.call('ZSCORE', K.deadlines, due) or 0)
    redis.call('ZREM', K.retries, due)
    if deadline > NOW then pick(due, deadline - NOW) elseif answer_late(due) then late = late + 1 end
  end
else
  take('first', A.most)
  if #picked < A.most then take('batch', batch_share(A.most - #picked)) end
  if #picked < A.most then take('interactive', A.most - #picked) end
  if #picked < A.most then take('batch', A.most - #picked) end
  advance('interactive')
  advance('batch')
  drained = 0 == redis.call('ZCARD', K.order_first) + redis.call('ZCARD', K.order_interactive)
    + redis.call('ZCARD', K.order_batch)
  if drained or #picked == 0 then redis.call('HSET', K.state, 'hungry', 1) end
end

local soonest = redis.call('ZRANGE', K.retries, 0, 0, 'WITHSCORES')[2]
local next_ms = soonest and math.max(0, soonest - NOW) or -1
local reply = {'batch', late, redis.call('ZCARD', K.retries), next_ms, drained and 1 or 0}
if #picked > 0 then
  picked[#picked + 1] = 'FORCE'
  picked[#picked + 1] = 'JUSTID'
  for _, id in ipairs(redis.call('XCLAIM', K.requests, GROUP, A.me, 0, unpack(picked))) do
    local meta, payload, spot = content(id)
    local history = redis.call('HGET', K.history, id) or ''
    reply[#reply + 1] = {id, meta, payload, spot, left[id], NOW - accepted_ms(id), history}
  end
end
return reply
