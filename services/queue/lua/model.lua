-- What every script knows of one model: its clock, its answers, its order. Goes in front of each verb (see scripts.py).
-- K holds the model's keys by the names of keys.py; A the arguments, by name; ARGV[2] and up are bytes.

local GROUP = 'dispatchers'
local REPLIES_LIVE_MS = 60000  -- a gateway that has not read its answers for so long is gone
local CANCELLED = 409
local NO_ANSWER = {[CANCELLED] = true, [503] = true, [504] = true}  -- the model said nothing: worth another try

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local NOW = now_ms()

-- An entry's id begins with the millisecond in which it was accepted.
local function accepted_ms(id) return tonumber(string.match(id, '^%d+')) end

-- Where an entry stands among all that were accepted; within one millisecond ids are counted on, which as texts would
-- go 1, 10, 2.
local function accepted_at(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return ms + math.min(number, 4095) / 4096
end

local function problem(title, detail) return cjson.encode({title = title, detail = detail}) end

-- Keep one answer in a job, which may be forgotten already; the last one decides how long the job is kept.
local function keep(job, index, frame)
  if redis.call('HDEL', job, 'item:' .. index) == 0 then return end
  redis.call('HSET', job, 'answer:' .. index, frame)
  if redis.call('HINCRBY', job, 'left', -1) == 0 then
    redis.call('HSET', job, 'done', NOW)
    redis.call('PEXPIRE', job, redis.call('HGET', job, 'keep_ms'))
  end
end

-- Frames on their way to the lists of gateways: what one list gets in a script goes there in one call.
local function send(frames)
  for to, of_list in pairs(frames) do
    redis.call('RPUSH', to, unpack(of_list))
    redis.call('PEXPIRE', to, REPLIES_LIVE_MS)
  end
end

-- Put one answer among *frames*, or into a job: a line of JSON (the fields of answers.py, in order), then the body.
local function push(frames, to, request, index, result, body)
  local head = {request, index, result.status, result.wait_s, result.service_s, result.batch_size, result.attempts,
                result.decode_s, result.infer_s, result.postprocess_s}
  local frame = cjson.encode(head) .. '\n' .. body
  if string.sub(to, 1, #K.job) == K.job then return keep(to, index, frame) end
  frames[to] = frames[to] or {}
  table.insert(frames[to], frame)
end

-- Tell all who wait under an idempotency key, and keep the answer there for those who come later. What is no answer of
-- the model is not kept, so that the key may be tried again.
local function push_to_others(frames, meta, result, body)
  if redis.call('HDEL', meta.idem, 'running:' .. meta.index) == 0 then return end
  local fields = redis.call('HGETALL', meta.idem)
  for i = 1, #fields, 2 do
    local request, to = string.match(fields[i], '^waiter:(%d+):(.*)$')
    if to then push(frames, to, tonumber(request), meta.index, result, body) end
  end
  if not NO_ANSWER[result.status] then
    redis.call('HSET', meta.idem, 'answer:' .. meta.index, cjson.encode(result) .. '\n' .. body)
  end
end

local function usage_line(meta, result)
  return cjson.encode({meta.request_id, meta.client, meta.model, meta.task, result.status, NOW, meta.size,
    result.wait_s, result.service_s, result.batch_size, result.attempts, meta.index})
end

-- Forget items that have left the stream, wherever they were, and their payloads, *bytes* in all.
local function forget(ids, payloads, bytes)
  redis.call('UNLINK', unpack(payloads))
  redis.call('XACK', K.requests, GROUP, unpack(ids))
  redis.call('HDEL', K.history, unpack(ids))
  for _, order in ipairs({'deadlines', 'order_first', 'order_interactive', 'order_batch', 'retries'}) do
    redis.call('ZREM', K[order], unpack(ids))
  end
  redis.call('HINCRBY', K.state, 'bytes', -bytes)
end

-- Answer items, each {id, meta, result, body}, unless they have their answers: whoever removes an item's entry from the
-- stream is the one who answers it. What comes after the deadline is answered 504 whatever it was.
-- Returns for each the status that it was answered with, or 0. What all need is done for all at once: a call of a
-- script costs more than what it does.
local function answer(items)
  if #items == 0 then return {} end
  local ids, statuses = {}, {}
  for i, item in ipairs(items) do ids[i], statuses[i] = item.id, 0 end
  local deadlines = redis.call('ZMSCORE', K.deadlines, unpack(ids))
  local gone, payloads, bytes, frames, usage = {}, {}, 0, {}, {}
  for i, item in ipairs(items) do
    if redis.call('XDEL', K.requests, item.id) == 1 then
      local meta, result, body = cjson.decode(item.meta), item.result, item.body
      if result.status ~= 504 and deadlines[i] and NOW > tonumber(deadlines[i]) then
        result.status, body = 504, problem('Deadline exceeded', 'the answer came after the deadline')
      end
      push(frames, meta.to, meta.request, meta.index, result, body)
      if meta.idem ~= '' then push_to_others(frames, meta, result, body) end
      statuses[i] = result.status
      gone[#gone + 1], payloads[#payloads + 1], usage[#usage + 1] = item.id, meta.payload, usage_line(meta, result)
      bytes = bytes + meta.size
    end
  end
  if #gone > 0 then
    forget(gone, payloads, bytes)
    send(frames)
    redis.call('RPUSH', K.usage_open, unpack(usage))
  end
  return statuses
end

-- Answer an item without a run, unless it has its answer; returns whether it was still there to answer.
local function answer_unrun(id, status, title, detail)
  local entry = redis.call('XRANGE', K.requests, id, id)[1]
  if not entry then
    redis.call('ZREM', K.deadlines, id)
    return false
  end
  local waited_s = (NOW - accepted_ms(id)) / 1000
  local result = {status = status, wait_s = waited_s, service_s = 0, batch_size = 0, attempts = 0,
                  decode_s = 0, infer_s = 0, postprocess_s = 0}
  return answer({{id = id, meta = entry[2][2], result = result, body = problem(title, detail)}})[1] ~= 0
end

-- Answer 504 to an item that nobody holds, or whose holder is late.
local function answer_late(id)
  return answer_unrun(id, 504, 'Deadline exceeded', 'the deadline passed in the queue')
end

-- The owner of a model is one dispatcher under one token; a claim or requeue of any other is refused.
local function is_owner()
  local held = redis.call('HMGET', K.state, 'owner', 'token')
  return held[1] == A.me and held[2] == A.token
end

-- A standing claim, as enqueue.lua reads it: under which token, and how many ms an item must have left for it.
local function standing_claim() return A.token .. ' ' .. A.standing_ms end

-- Give an item that was claimed back: to the front, or among the suspects if a server ended with it before.
local function put_back(id)
  redis.call('XACK', K.requests, GROUP, id)
  if redis.call('HEXISTS', K.history, id) == 1 then
    redis.call('ZADD', K.retries, NOW, id)
  else
    redis.call('ZADD', K.order_first, accepted_at(id), id)
  end
end

-- Put back all that is claimed, except what *running* names; returns how many.
local function put_back_all(running)
  local keep, from, back = {}, '-', 0
  for _, id in ipairs(running) do keep[id] = true end
  while true do
    local pending = redis.call('XPENDING', K.requests, GROUP, from, '+', 500)
    for _, entry in ipairs(pending) do
      if not keep[entry[1]] then
        put_back(entry[1])
        back = back + 1
      end
      from = '(' .. entry[1]
    end
    if #pending < 500 then return back end
  end
end

-- How many wait for their batch; and those who wait to be tried alone besides.
local function in_order()
  return redis.call('ZCARD', K.order_first) + redis.call('ZCARD', K.order_interactive)
    + redis.call('ZCARD', K.order_batch)
end
local function depth() return in_order() + redis.call('ZCARD', K.retries) end
