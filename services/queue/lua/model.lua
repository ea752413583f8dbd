-- What every script knows of one model: its clock, its answers, its order. Goes in front of each verb (see scripts.py).
-- K holds the model's keys by the names of broker.py; A the arguments, by name; ARGV[2] and up are bytes.

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

-- Put one answer on a gateway's list, or into a job: a line of JSON (the fields of answers.py, in order), then the body.
local function push(to, request, index, result, body)
  local head = {request, index, result.status, result.wait_s, result.service_s, result.batch_size, result.attempts,
                result.decode_s, result.infer_s, result.postprocess_s}
  local frame = cjson.encode(head) .. '\n' .. body
  if string.sub(to, 1, #K.job) == K.job then return keep(to, index, frame) end
  redis.call('RPUSH', to, frame)
  redis.call('PEXPIRE', to, REPLIES_LIVE_MS)
end

-- Tell all who wait under an idempotency key, and keep the answer there for those who come later. What is no answer of
-- the model is not kept, so that the key may be tried again.
local function push_to_others(meta, result, body)
  if redis.call('HDEL', meta.idem, 'running:' .. meta.index) == 0 then return end
  local fields = redis.call('HGETALL', meta.idem)
  for i = 1, #fields, 2 do
    local request, to = string.match(fields[i], '^waiter:(%d+):(.*)$')
    if to then push(to, tonumber(request), meta.index, result, body) end
  end
  if not NO_ANSWER[result.status] then
    redis.call('HSET', meta.idem, 'answer:' .. meta.index, cjson.encode(result) .. '\n' .. body)
  end
end

local function count_usage(meta, result)
  redis.call('RPUSH', K.usage_open, cjson.encode({meta.request_id, meta.client, meta.model, meta.task, result.status,
    NOW, meta.size, result.wait_s, result.service_s, result.batch_size, result.attempts, meta.index}))
end

-- Answer one item, unless it has its answer: whoever removes the entry from the stream is the one who answers.
-- What comes after the deadline is answered 504 whatever it was. Returns the status that was answered, or nil.
local function answer(id, meta_json, result, body)
  local deadline = tonumber(redis.call('ZSCORE', K.deadlines, id))
  if redis.call('XDEL', K.requests, id) == 0 then return nil end
  local meta = cjson.decode(meta_json)
  redis.call('XACK', K.requests, GROUP, id)
  redis.call('ZREM', K.deadlines, id)
  redis.call('HDEL', K.history, id)
  redis.call('HDEL', K.spots, id)
  redis.call('ZREM', K.order_first, id)
  redis.call('ZREM', K['order_' .. meta.priority], id)
  redis.call('ZREM', K.retries, id)
  redis.call('HINCRBY', K.state, 'bytes', -meta.size)
  if result.status ~= 504 and deadline and NOW > deadline then
    result.status, body = 504, problem('Deadline exceeded', 'the answer came after the deadline')
  end
  push(meta.to, meta.request, meta.index, result, body)
  if meta.idem ~= '' then push_to_others(meta, result, body) end
  count_usage(meta, result)
  return result.status
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
  return answer(id, entry[2][2], result, problem(title, detail)) ~= nil
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

-- Give an item that was claimed back: to the front, or among the suspects if a server ended with it before.
local function put_back(id)
  redis.call('XACK', K.requests, GROUP, id)
  if redis.call('HEXISTS', K.history, id) == 1 then
    redis.call('ZADD', K.retries, NOW, id)
  else
    redis.call('ZADD', K.order_first, accepted_ms(id), id)
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

local function depth()
  return redis.call('ZCARD', K.order_first) + redis.call('ZCARD', K.order_interactive)
    + redis.call('ZCARD', K.order_batch) + redis.call('ZCARD', K.retries)
end
