-- Answer 504 to what is late, wherever it is, and say how the queue stands. A: most.
-- Returns {late by class: interactive, batch; then a JSON object for operators}.

local late = {interactive = 0, batch = 0}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.deadlines, '-inf', NOW - 1, 'LIMIT', 0, A.most)) do
  local class = redis.call('ZSCORE', K.order_batch, id) and 'batch' or 'interactive'
  if answer_late(id) then late[class] = late[class] + 1 end
end

if A.most > 0 then
  for _, class in ipairs({'interactive', 'batch'}) do
    -- Nobody waits: the next to come starts level with everyone (claim.lua does this too, but not without a claim).
    if redis.call('ZCARD', K['order_' .. class]) == 0 then redis.call('DEL', K['flows_' .. class]) end
  end
end

local exists = redis.call('EXISTS', K.requests) == 1
local oldest = exists and redis.call('XRANGE', K.requests, '-', '+', 'COUNT', 1)[1]
local refused, fields = {}, redis.call('HGETALL', K.state)
local state = {}
for i = 1, #fields, 2 do
  state[fields[i]] = fields[i + 1]
  local what = string.match(fields[i], '^refused:(.*)$')
  if what then refused[what] = tonumber(fields[i + 1]) end
end
local entries = redis.call('XLEN', K.requests)
local view = {
  interactive = redis.call('ZCARD', K.order_interactive), batch = redis.call('ZCARD', K.order_batch),
  first = redis.call('ZCARD', K.order_first), suspects = redis.call('ZCARD', K.retries),
  at_work = entries - depth(), bytes = tonumber(state.bytes or 0),
  oldest_s = oldest and (NOW - accepted_ms(oldest[1])) / 1000 or 0,
  quarantined = redis.call('XLEN', K.quarantine), owner = state.owner or '',
  usage_waiting = redis.call('LLEN', K.usage_open),
}
if next(refused) then view.refused = refused end
return {late.interactive, late.batch, cjson.encode(view)}
