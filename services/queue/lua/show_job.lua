-- Show a job to its client. A: job client model. Returns {} where it has none of this name, else what job.lua's view gives.

return is_there() and view() or {}
