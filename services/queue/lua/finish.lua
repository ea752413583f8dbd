-- Answer items: each exactly once, whoever else tries. A result's place in the stream is freed in the same step.
-- A: results, each {id, status, wait_s, ..., failed}; quarantine_length.
-- ARGV[2..]: the meta and the body of each result in turn. A result with *failed* (the history of an item that ended
-- its servers) goes to the quarantine with its bytes.
-- Returns for each result the status that it was answered with, or 0 where it had its answer already.

local reply = {}
for i, result in ipairs(A.results) do
  local meta, body = ARGV[2 * i], ARGV[2 * i + 1]
  local entry = result.failed and redis.call('XRANGE', K.requests, result.id, result.id)[1]
  local status = answer(result.id, meta, result, body)
  if status and entry then
    redis.call('XADD', K.quarantine, 'MAXLEN', A.quarantine_length, '*',
               'meta', meta, 'payload', entry[2][4], 'history', result.failed)
  end
  reply[i] = status or 0
end
return reply
