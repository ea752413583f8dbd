-- Answer items: each exactly once, whoever else tries. A result's place in the stream is freed in the same step.
-- A: results, each {id, status, wait_s, ..., failed}; quarantine_items quarantine_bytes (the most that it keeps);
--   me token standing_ms: where that is not 0, the owner has nothing else to do, and makes a standing claim.
-- ARGV[2..]: the meta and the body of each result in turn. A result with *failed* (the history of an item that ended
-- its servers) goes to the quarantine with its bytes.
-- Returns for each result the status that it was answered with, or 0 where it had its answer already.

local items, failed = {}, {}
for i, result in ipairs(A.results) do
  items[i] = {id = result.id, meta = ARGV[2 * i], result = result, body = ARGV[2 * i + 1]}
  failed[i] = result.failed and redis.call('GET', cjson.decode(items[i].meta).payload)
end
local statuses = answer(items)
for i, item in ipairs(items) do
  if failed[i] and statuses[i] ~= 0 then
    enter_quarantine(item.meta, failed[i], item.result.failed, A.quarantine_items, A.quarantine_bytes)
  end
end
if A.standing_ms > 0 and is_owner() and redis.call('HGET', K.state, 'hungry') == 'any' then
  redis.call('HSET', K.state, 'standing', standing_claim())
end
return statuses
