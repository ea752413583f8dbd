-- The quotas of API keys: what a key has left, and taking from it (quotas.py says how they work). Known to enqueue.lua.
-- A quota q: id requests_per_s burst per_day, 0 where there is no such limit. One string is kept of a key:
-- '<TAT, ms> <day> <requests on that day>', TAT being the theoretical arrival time of GCRA.

local DAY_MS = 86400000

local function standing_of(q)
  local held = redis.call('GET', K.quota .. q.id) or ''
  local tat, day, used = string.match(held, '^(%S+) (%d+) (%d+)$')
  local today = math.floor(NOW / DAY_MS)
  if tonumber(day) ~= today then used = 0 end
  return {tat = math.max(NOW, tonumber(tat) or 0), today = today, used = tonumber(used) or 0}
end

-- Which limit one more request would go over, and after how many ms it would not; nil where it may be made.
local function over_quota(q, standing)
  if q.per_day > 0 and standing.used >= q.per_day then return 'day', (standing.today + 1) * DAY_MS - NOW end
  if q.requests_per_s > 0 then
    local wait = standing.tat - NOW - (q.burst - 1) * 1000 / q.requests_per_s
    if wait > 0.001 then return 'rate', math.ceil(wait) end
  end
end

local function take_quota(q, standing)
  standing.used = standing.used + 1
  if q.requests_per_s > 0 then standing.tat = standing.tat + 1000 / q.requests_per_s end
  local forget_ms = math.max(standing.tat, (standing.today + 1) * DAY_MS) - NOW
  local held = string.format('%.6f %d %d', standing.tat, standing.today, standing.used)
  redis.call('SET', K.quota .. q.id, held, 'PX', math.ceil(forget_ms))
end

-- What is left, for the gateway: requests at once now, ms until the whole burst is back; requests today, ms until midnight.
local function left_of(q, standing)
  local busy_ms = standing.tat - NOW
  local at_once = math.floor(q.burst - busy_ms * q.requests_per_s / 1000 + 0.000001)
  return {math.max(0, at_once), math.ceil(busy_ms), math.max(0, q.per_day - standing.used),
          (standing.today + 1) * DAY_MS - NOW}
end
