-- Accept the payloads of one request, all or none, or say why not.
-- A: priority client weight left_ms by_ms to request version max_ahead max_items max_bytes bytes idem print window_ms
--   quota, and of a job (to is its key then): job about keep_ms.
-- The deadline is by_ms, by our clock as its sender knows it (0: not yet), and at the latest left_ms from now.
-- ARGV[2..]: of each item in turn its meta, the key of its payload, how large that is, and in which shared memory it is
-- ('': in none). A payload does not come in here, where each copy of it costs: its key is made, empty, and the same
-- transaction then stores it, if its key is there; or nobody does, where every server of the model reads it in memory.
-- Returns {'accepted', id, ...}, an id being '' where the item runs or is answered already under its idempotency key,
-- after the ids what is left of a quota; {'replan', plan}; {'refused', reason, ahead}; {'conflict'}; {'late'};
-- {'over quota', limit, wait_ms, left}; {'same job', job, left} where the same was submitted under the key before.

local count = (#ARGV - 1) / 4
local deadline = NOW + A.left_ms
if A.by_ms > 0 then deadline = math.min(deadline, A.by_ms) end
local state = redis.call('HMGET', K.state, 'plan', 'bytes', 'v:' .. A.priority, 'owner', 'hungry', 'token', 'standing')

local function refused(reason, ahead)
  redis.call('HINCRBY', K.state, 'refused:' .. A.priority .. ':' .. reason, 1)
  return {'refused', reason, ahead}
end

-- Under an idempotency key: which items are here already.
local known, new = {}, count
if A.idem ~= '' then
  local fields = redis.call('HGETALL', A.idem)
  for i = 1, #fields, 2 do known[fields[i]] = fields[i + 1] end
  if known.print and known.print ~= A.print then return {'conflict'} end
  for index = 0, count - 1 do
    if known['answer:' .. index] or known['running:' .. index] then new = new - 1 end
  end
end

-- Start-time Fair Queueing: an item starts where its client's last one finished, but not before now's virtual time.
local flows, weight = K['flows_' .. A.priority], tonumber(A.weight)
local virtual = tonumber(state[3] or 0)
local start = math.max(virtual, tonumber(redis.call('ZSCORE', flows, A.client) or 0))

-- A newcomer has had less than its share of late, and others wait who have had theirs.
local function is_newcomer()
  local order = K.order_interactive
  return A.priority == 'interactive' and start <= virtual
    and redis.call('ZCARD', order) > redis.call('ZCOUNT', order, '-inf', virtual)
end

-- The owner waits until so many are there.
local function is_the_last_awaited()
  local expected = tonumber(state[5])
  return expected and in_order() + new >= expected
end

local is_awaited = state[5] == 'newcomer' and is_newcomer()
local wakes = state[5] == 'any' or is_awaited or is_the_last_awaited()

-- Grant the item to the owner's standing claim, if it made one and the item has time for that: it is the owner's from
-- now on, and told with the wake. Returns whether it was.
local function grant(id, meta, spot)
  local token, needed_ms = string.match(state[7] or '', '^(%S+) (%d+)$')
  if state[5] ~= 'any' or token ~= state[6] or deadline - NOW < tonumber(needed_ms) then return false end
  local text = table.concat({A.model, state[6], id, deadline, meta, spot}, '\n')
  if redis.call('PUBLISH', K.wake .. state[4], text) == 0 then return false end
  redis.call('XCLAIM', K.requests, GROUP, state[4], 0, id, 'FORCE', 'JUSTID')
  redis.call('HSET', K.state, 'standing', '')
  return true
end

local quota = A.quota and standing_of(A.quota)

if A.job and new == 0 and known.job and redis.call('EXISTS', K.job .. known.job) == 1 then
  return {'same job', known.job, quota and left_of(A.quota, quota)}
end
if new > 0 then
  if state[1] ~= A.version then return {'replan', redis.call('HGET', K.plans, A.model) or ''} end
  if quota then
    local limit, wait_ms = over_quota(A.quota, quota)
    if limit then
      refused('quota', 0)
      return {'over quota', limit, wait_ms, left_of(A.quota, quota)}
    end
  end
  if A.max_ahead < -1 then return refused('no_replica', 0) end
  local ahead = 0  -- of a newcomer that a server takes at once, beside what is there
  if not (is_awaited and new == 1) then
    ahead = ahead_of(redis.call('ZCOUNT', K['order_' .. A.priority], '-inf', start), A.priority)
  end
  if redis.call('XLEN', K.requests) + new > A.max_items then return refused('count', ahead) end
  if tonumber(state[2] or 0) + A.bytes > A.max_bytes then return refused('bytes', ahead) end
  if ahead + new - 1 > A.max_ahead then return refused('deadline', ahead) end
  if deadline <= NOW then return {'late'} end
end

if A.job then
  redis.call('HSET', A.to, 'client', A.client, 'model', A.model, 'about', A.about, 'count', count, 'left', count,
             'created', NOW, 'keep_ms', A.keep_ms)
  redis.call('PEXPIRE', A.to, math.max(0, deadline - NOW) + A.keep_ms)
  if A.idem ~= '' then redis.call('HSET', A.idem, 'print', A.print, 'job', A.job) end
end

local reply, waits, frames, granted = {'accepted'}, false, {}, false
for index = 0, count - 1 do
  local meta, payload, size, spot = unpack(ARGV, 2 + 4 * index, 5 + 4 * index)
  local stored = known['answer:' .. index]
  if stored then
    if A.job then redis.call('HSET', A.to, 'item:' .. index, '') end
    local line = string.find(stored, '\n', 1, true)
    push(frames, A.to, A.request, index, cjson.decode(string.sub(stored, 1, line - 1)), string.sub(stored, line + 1))
    reply[index + 2] = ''
  elseif known['running:' .. index] then
    waits = true
    if A.job then redis.call('HSET', A.to, 'item:' .. index, known['running:' .. index]) end
    reply[index + 2] = ''
  else
    local id = redis.call('XADD', K.requests, '*', 'meta', meta, 'spot', spot)
    redis.call('SET', payload, '')
    redis.call('ZADD', K.deadlines, deadline, id)
    granted = count == 1 and grant(id, meta, spot)
    if not granted then redis.call('ZADD', K['order_' .. A.priority], start, id) end
    redis.call('HINCRBY', K.state, 'bytes', size)
    if A.idem ~= '' then redis.call('HSET', A.idem, 'print', A.print, 'running:' .. index, id) end
    if A.job then redis.call('HSET', A.to, 'item:' .. index, id) end
    start = start + 1 / weight
    reply[index + 2] = id
  end
end
send(frames)
if A.idem ~= '' then
  if waits then redis.call('HSET', A.idem, 'waiter:' .. A.request .. ':' .. A.to, 1) end
  redis.call('PEXPIRE', A.idem, A.window_ms)
end
if quota then
  if new > 0 then take_quota(A.quota, quota) end
  reply[count + 2] = left_of(A.quota, quota)
end
if new > 0 and not granted then
  redis.call('ZADD', flows, start, A.client)
  if wakes then
    if state[5] == 'any' then redis.call('HSET', K.state, 'hungry', 'newcomer') else redis.call('HDEL', K.state, 'hungry') end
    redis.call('PUBLISH', K.wake .. state[4], A.model)
  end
end
return reply
