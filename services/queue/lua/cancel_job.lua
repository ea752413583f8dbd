-- Cancel what waits of a job: it is answered so, once, and never sent to a server. What is at one is let finish.
-- A: job client model. Returns {} where the client has no such job, else {items cancelled now, what job.lua's view gives}.

if not is_there() then return {} end
local cancelled = 0
for _, id in ipairs(open_items()) do
  if ahead_of_item(id) and answer_unrun(id, CANCELLED, 'Cancelled', 'the request was cancelled while it waited') then
    cancelled = cancelled + 1
  end
end
return {cancelled, view()}
