-- Take the items of the next batch, in their order, as far as the tightest deadline among them allows.
-- A: me token most least_ms alone_ms limits_ms choice newcomers returning age_ms within_ms free enough
--    standing_ms
--   limits_ms[k]: the least time that every item of a batch of k must have left at this server; alone_ms: what one item
--   alone must have left at the best server for it; least_ms: less is hopeless.
--   choice: 'next'; 'suspect': one item that a server failed with before, alone, and nothing else; 'newcomer': one of a
--     client that has had less than its share, or nothing: then the owner is woken for the next of those.
--   newcomers: wake the owner for one of those, too.
--   returning, age_ms, within_ms, free, enough: so many of those who were answered age_ms ago and since will likely ask
--     again, within_ms of when an execution is free; free executions share them. Unless enough wait, nothing is taken
--     before a share is there, if all who wait have the time; the owner is woken then.
--   standing_ms: not 0 where the owner has nothing else to do, and makes a standing claim if there is nothing here.
-- Returns {'fenced'} or {'batch', late, suspects, next_suspect_ms, waiting, passed, held, {id, meta, spot, left_ms,
-- wait_ms, history}, ...}; waiting: how many are left; passed: how many of them to a quicker server; held: whether more
-- are waited for.

if not is_owner() then return {'fenced'} end

local BATCH_SHARE = 0.1  -- of the items, while both classes wait
local MOST_PASSED = 100
local picked, left, late, passed, tightest = {}, {}, 0, 0, math.huge
local virtual, held = {}, false
local waiting = {}  -- how many there are in each order
for _, order in ipairs({'first', 'interactive', 'batch'}) do
  waiting[order] = redis.call('ZCARD', K['order_' .. order])
end

local function pick(id, time_left)
  picked[#picked + 1], left[id] = id, time_left
  tightest = math.min(tightest, time_left)
end

-- What cannot be in time: late already, or with less left than the fastest service lately seen. Also what would
-- most likely be late even alone, as long as another waits behind it; the last one is tried, so that times which have
-- become better are noticed. (batching.py has the same as a function.)
local function is_hopeless(time_left, behind)
  return time_left <= 0 or time_left < A.least_ms or (time_left < A.alone_ms and behind > 0)
end

-- What another server can still do in time, and this one cannot.
local function is_for_another(time_left)
  return time_left >= A.alone_ms and time_left < A.limits_ms[1]
end

-- Whether a batch with one more item would take longer than one of its items has left.
local function is_too_long(time_left)
  return #picked > 0 and math.min(tightest, time_left) < A.limits_ms[#picked + 1]
end

-- Take up to *most* items from the front of an order; stops at the first that makes the batch too long. Returns how many.
local function take(order, most)
  local key, taken, stays, full = K['order_' .. order], 0, 0, false
  while taken < most and waiting[order] > stays and not full do
    local heads = redis.call('ZRANGE', key, stays, stays + most - taken - 1, 'WITHSCORES')
    local ids, gone = {}, {}
    for i = 1, #heads, 2 do ids[#ids + 1] = heads[i] end
    local deadlines = redis.call('ZMSCORE', K.deadlines, unpack(ids))
    for i, id in ipairs(ids) do
      local time_left = tonumber(deadlines[i] or 0) - NOW
      if is_hopeless(time_left, waiting[order] - #gone - stays - 1) then
        if answer_late(id) then late = late + 1 end
        gone[#gone + 1] = id
      elseif is_for_another(time_left) then
        stays, passed = stays + 1, passed + 1
        full = passed == MOST_PASSED
      elseif is_too_long(time_left) then
        full = true
      else
        pick(id, time_left)
        taken, virtual[order] = taken + 1, tonumber(heads[2 * i])
        gone[#gone + 1] = id
      end
      if full then break end
    end
    if #gone > 0 then redis.call('ZREM', key, unpack(gone)) end
    waiting[order] = waiting[order] - #gone
  end
  return taken
end

local function all_waiting() return waiting.first + waiting.interactive + waiting.batch end

-- What each free execution is to get once those who are awaited are there, and whether who waits has the time for that;
-- nothing where nobody is worth waiting for.
local function awaited_share()
  local all = all_waiting()
  if all == 0 or all >= A.enough then return end
  local ids, returned, tightest_ms = {}, 0, math.huge
  for _, order in ipairs({'first', 'interactive', 'batch'}) do
    for _, id in ipairs(redis.call('ZRANGE', K['order_' .. order], 0, -1)) do
      ids[#ids + 1] = id
      if accepted_ms(id) > NOW - A.age_ms then returned = returned + 1 end
    end
  end
  for _, deadline in ipairs(redis.call('ZMSCORE', K.deadlines, unpack(ids))) do
    tightest_ms = math.min(tightest_ms, tonumber(deadline or 0) - NOW)
  end
  local to_come = math.max(0, A.returning - returned)
  local share = math.min(A.most, math.ceil((all + to_come) / A.free))
  return share, tightest_ms >= A.within_ms + A.limits_ms[share]
end

-- The batch class earns a tenth of an item with each that goes past it, and spends it before the others.
local function batch_share(most)
  if waiting.batch == 0 then
    redis.call('HDEL', K.state, 'credit')
    return 0
  end
  if waiting.interactive == 0 then return most end
  local credit = tonumber(redis.call('HGET', K.state, 'credit') or 0) + most * BATCH_SHARE
  local share = math.min(most, math.floor(credit))
  redis.call('HSET', K.state, 'credit', credit - share)
  return share
end

-- Virtual time goes on with what was taken, and is past the tags of some clients then. Nobody waits: the next to come
-- starts level with everyone.
local function advance(order)
  if not virtual[order] then return end
  local flows = K['flows_' .. order]
  local v = math.max(virtual[order], tonumber(redis.call('HGET', K.state, 'v:' .. order) or 0))
  redis.call('HSET', K.state, 'v:' .. order, string.format('%.17g', v))
  if waiting[order] == 0 then redis.call('DEL', flows) else redis.call('ZREMRANGEBYSCORE', flows, '-inf', v) end
end

-- The items that were picked, as they go to the dispatcher. (XCLAIM leaves out what is in the stream no more.)
local function claimed()
  if #picked == 0 then return {} end
  picked[#picked + 1] = 'FORCE'
  local entries, ids = redis.call('XCLAIM', K.requests, GROUP, A.me, 0, unpack(picked)), {}
  if #entries == 0 then return {} end
  for i, entry in ipairs(entries) do ids[i] = entry[1] end
  local histories = redis.call('HMGET', K.history, unpack(ids))
  local items = {}
  for i, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    items[i] = {id, fields[2], fields[4], left[id], NOW - accepted_ms(id), histories[i] or ''}
  end
  return items
end

-- Take the next batch, of both classes and of what goes first.
local function take_next(most)
  take('first', most)
  if #picked < most then take('batch', batch_share(most - #picked)) end
  if #picked < most then take('interactive', most - #picked) end
  if #picked < most then take('batch', most - #picked) end
  advance('interactive')
  advance('batch')
  local drained = all_waiting() == 0
  if drained or #picked == 0 then
    local stands = drained and #picked == 0 and A.standing_ms > 0
    redis.call('HSET', K.state, 'hungry', 'any', 'standing', stands and standing_claim() or '')
  elseif A.newcomers then
    redis.call('HSET', K.state, 'hungry', 'newcomer')
  end
end

if A.choice == 'suspect' then
  local due = redis.call('ZRANGEBYSCORE', K.retries, '-inf', NOW, 'LIMIT', 0, 1)[1]
  if due then
    local deadline = tonumber(redis.call('ZSCORE', K.deadlines, due) or 0)
    redis.call('ZREM', K.retries, due)
    if deadline > NOW then pick(due, deadline - NOW) elseif answer_late(due) then late = late + 1 end
  end
elseif A.choice == 'newcomer' then
  local v = redis.call('HGET', K.state, 'v:interactive') or 0
  local level = redis.call('ZCOUNT', K.order_interactive, '-inf', v)
  if level > 0 and waiting.interactive > level then take('interactive', 1) end
  advance('interactive')
  if #picked == 0 and redis.call('HGET', K.state, 'hungry') ~= 'any' then
    redis.call('HSET', K.state, 'hungry', 'newcomer')
  end
else
  local share, has_time = awaited_share()
  held = share and has_time and all_waiting() < share
  if held then redis.call('HSET', K.state, 'hungry', share) else take_next(share or A.most) end
end

local soonest = redis.call('ZRANGE', K.retries, 0, 0, 'WITHSCORES')[2]
local next_ms = soonest and math.max(0, soonest - NOW) or -1
return {'batch', late, redis.call('ZCARD', K.retries), next_ms, all_waiting(), passed, held and 1 or 0, unpack(claimed())}
