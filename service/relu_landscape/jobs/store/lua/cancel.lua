-- id, ttl, who lets go of it, or nothing for all who hold it -> state, or nil
local id, ttl, who = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local state = redis.call('HGET', job(id), 'state')
local stops = state == 'queued' or state == 'running' or state == 'cancelling'
if not stops then return state end
if who then redis.call('HDEL', job(id), wish(who)) end
for _, name in ipairs(wishes(id)) do
  if who then -- somebody else wants it still
    if payer(id) == account(who) then charge_to(id, name:sub(8)) end
    return state
  end
  redis.call('HDEL', job(id), name)
end
if state == 'queued' then return cancelled(id, ttl) end
if state == 'cancelling' then redis.call('HDEL', job(id), 'resubmitted') end
if state == 'running' then
  enter(id, 'cancelling')
  return 'cancelling'
end
return state
