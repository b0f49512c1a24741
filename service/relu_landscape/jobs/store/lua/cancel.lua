-- id, ttl -> state, or nil
local id, ttl = ARGV[4], tonumber(ARGV[5])
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' then return cancelled(id, ttl) end
if state == 'cancelling' then redis.call('HDEL', job(id), 'resubmitted') end
if state == 'running' then
  enter(id, 'cancelling')
  return 'cancelling'
end
return state
